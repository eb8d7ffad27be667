// param_ram: per-channel parameters of the lanes, LUT RAM, simple dual port.
// rdata = mem[raddr] in the same cycle (asynchronous read); a write is visible in the cycle after
// its edge. Address bits above log2(SLOTS) are ignored. No reset.
// Cost (7-series): RAM32M, 4 LUT for 6 bits of 32 slots; RAM64M, 4 LUT for 3 bits of 64 slots.
`default_nettype none
module param_ram #(
    parameter WIDTH  = 256,  // bits of a slot
    parameter SLOTS  = 64,   // a power of two
    parameter ADDR_W = 8     // >= log2(SLOTS)
) (
    input  wire              clk,
    input  wire              we,
    input  wire [ADDR_W-1:0] waddr,
    input  wire [WIDTH-1:0]  wdata,
    input  wire [ADDR_W-1:0] raddr,
    output wire [WIDTH-1:0]  rdata
);
    localparam SLOT_W = $clog2(SLOTS);

    generate
        if (SLOTS < 2 || SLOTS != (1 << SLOT_W) || SLOT_W > ADDR_W) begin : gen_guard
            ERROR_param_ram_SLOTS_must_be_a_power_of_two_up_to_2_to_ADDR_W u_stop ();
        end
    endgenerate

    (* ram_style = "distributed" *)
    reg [WIDTH-1:0] mem [0:SLOTS-1];

    wire [ADDR_W:0] unused_high = ({1'b0, waddr} >> SLOT_W) | ({1'b0, raddr} >> SLOT_W);

    always @(posedge clk) if (we) mem[waddr[SLOT_W-1:0]] <= wdata;
    assign rdata = mem[raddr[SLOT_W-1:0]];
endmodule
`default_nettype wire
