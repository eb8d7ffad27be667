// Scores of PK keys per cycle: p[j] = popcount(xnor(q, k_j)), and the memory of the keys.
//
// Key t lies in bank t mod PK, word t / PK, with the top bit inverted in buffer 1. Writes take one
// key per cycle. Read address in cycle 0, q in cycle 1 -> p (key j in bits [j*7 +: 7]) in cycle 6;
// one group per cycle. No reset: data only.
`default_nettype none
module attention_score #(
    parameter PK     = 8,
    parameter ADDR_W = 4  // log2 of the groups of both buffers
) (
    input  wire              clk,
    input  wire [PK-1:0]     we,  // one-hot: bank
    input  wire [ADDR_W-1:0] waddr,
    input  wire [63:0]       wdata,
    input  wire [ADDR_W-1:0] raddr,
    input  wire [63:0]       q,
    output wire [7*PK-1:0]   p
);
    genvar j;
    generate
        for (j = 0; j < PK; j = j + 1) begin : gen_key
            wire [63:0] k;
            reg  [63:0] k_q;
            always @(posedge clk) k_q <= k;
            attention_bank #(.ADDR_W(ADDR_W)) u_bank (
                .clk(clk), .we(we[j]), .waddr(waddr), .wdata(wdata), .raddr(raddr), .rdata(k)
            );
            popcount #(.KW(64), .POP_W(7)) u_popcount (
                .clk(clk), .act(q), .weight(k_q), .pop(p[7*j +: 7])
            );
        end
    endgenerate
endmodule
`default_nettype wire
