// chord_table: slope and intercept of 64 chords, loaded by SET table, for four lanes.
//
//   {slope, intercept} of lane l = entry chord[6 l +: 6]            (combinational)
//
// Slopes have scale 2^-14, intercepts that of the values; see hwgen/engine/chords.py.
// One LUT RAM of four ports (RAM64M): three read, the fourth reads too while nothing is written.
// So lane 3 sees the written entry's place while `we` is high: no result may need the table then
// (SET table waits until none is in flight).
// No reset: a program loads a table before it uses one. Cost (Yosys, xc7): 134 LUT, none
// registered; a table of its own for every lane would take 44 each.
`default_nettype none
module chord_table (
    input  wire         clk,
    input  wire         we,
    input  wire [5:0]   index,
    input  wire [31:0]  entry,          // {slope, intercept}
    input  wire [23:0]  chord,
    output wire [63:0]  slope,          // 16 bits a lane
    output wire [63:0]  intercept
);
    (* ram_style = "distributed" *)
    reg [31:0] table_q [0:63];

    wire [5:0]  shared = we ? index : chord[23:18];
    wire [31:0] entry_0 = table_q[chord[5:0]];
    wire [31:0] entry_1 = table_q[chord[11:6]];
    wire [31:0] entry_2 = table_q[chord[17:12]];
    wire [31:0] entry_3 = table_q[shared];

    always @(posedge clk) begin
        if (we) table_q[shared] <= entry;
    end

    assign slope = {entry_3[31:16], entry_2[31:16], entry_1[31:16], entry_0[31:16]};
    assign intercept = {entry_3[15:0], entry_2[15:0], entry_1[15:0], entry_0[15:0]};
endmodule
`default_nettype wire
