// chord_loader: SET table. Sends the eight chords of the instruction to the lanes, one a cycle.
//
// start in cycle t: chords 8 part .. 8 part + 7 are at the table's write port in cycles t + 2 ..
// t + 9; `word` holds until t + 8. `flat` changes with the first chord.
// Reset: control only. Cost: about 100 LUT, 45 flip-flops.
`default_nettype none
module chord_loader (
    input  wire         clk,
    input  wire         rst,
    input  wire         start,
    input  wire [511:0] word,
    output reg          table_we,
    output reg  [5:0]   table_index,
    output reg  [31:0]  table_entry,    // {slope, intercept}
    output reg          table_flat
);
    wire [2:0]         part;
    wire               flat;
    wire signed [15:0] slope0, slope1, slope2, slope3, slope4, slope5, slope6, slope7;
    wire signed [15:0] intercept0, intercept1, intercept2, intercept3;
    wire signed [15:0] intercept4, intercept5, intercept6, intercept7;

    decode_set_table u_table (
        .word(word), .part(part), .flat(flat),
        .slope0(slope0), .slope1(slope1), .slope2(slope2), .slope3(slope3),
        .slope4(slope4), .slope5(slope5), .slope6(slope6), .slope7(slope7),
        .intercept0(intercept0), .intercept1(intercept1), .intercept2(intercept2),
        .intercept3(intercept3), .intercept4(intercept4), .intercept5(intercept5),
        .intercept6(intercept6), .intercept7(intercept7)
    );

    reg       busy_q;
    reg [2:0] k_q;

    wire [127:0] slopes = {slope7, slope6, slope5, slope4, slope3, slope2, slope1, slope0};
    wire [127:0] intercepts = {intercept7, intercept6, intercept5, intercept4,
        intercept3, intercept2, intercept1, intercept0};

    wire done = busy_q && k_q == 3'd7;

    always @(posedge clk) begin
        k_q <= start ? 3'd0 : k_q + 3'd1;
        table_index <= {part, k_q};
        table_entry <= {slopes[16*k_q +: 16], intercepts[16*k_q +: 16]};
        if (busy_q) table_flat <= flat;
        table_we <= busy_q;
        busy_q <= start || (busy_q && !done);
        if (rst) begin
            table_we <= 1'b0;
            busy_q <= 1'b0;
        end
    end
endmodule
`default_nettype wire
