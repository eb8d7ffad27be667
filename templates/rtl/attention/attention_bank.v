// LUT RAM of one key slot: 64 channels of every PK-th token, simple dual port.
//
// Write on the clock edge, asynchronous read. No reset. Cost: 44 LUT up to 32 words.
`default_nettype none
module attention_bank #(
    parameter ADDR_W = 3
) (
    input  wire              clk,
    input  wire              we,
    input  wire [ADDR_W-1:0] waddr,
    input  wire [63:0]       wdata,
    input  wire [ADDR_W-1:0] raddr,
    output wire [63:0]       rdata
);
    (* ram_style = "distributed" *)
    reg [63:0] mem [0:(1<<ADDR_W)-1];

    assign rdata = mem[raddr];

    always @(posedge clk) begin
        if (we) mem[waddr] <= wdata;
    end
endmodule
`default_nettype wire
