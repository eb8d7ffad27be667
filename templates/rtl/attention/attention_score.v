// Scores of PK keys: p[j] = score(popcount(xnor(q, k_j))), and the memory of the keys.
//
// Key t lies in bank t mod PK, words t / PK times its units of 64 channels, with the top bit
// inverted in buffer 1. Writes take one unit of a key per cycle. Read address and first (unit of
// the group) in cycle 0, q in cycle 1 -> p (key j in bits [j*7 +: 7]) in cycle 6, one group per
// cycle; with UNITS > 1 in cycle 8 of the group's last unit. A score is the number of equal bits;
// in heads of more than 64 channels less OFFSET and at most 126. No reset: data only.
`default_nettype none
module attention_score #(
    parameter PK     = 8,
    parameter HEAD   = 64,
    parameter UNITS  = 1,
    parameter ADDR_W = 4  // log2 of the words of both buffers
) (
    input  wire              clk,
    input  wire [PK-1:0]     we,  // one-hot: bank
    input  wire [ADDR_W-1:0] waddr,
    input  wire [63:0]       wdata,
    input  wire [ADDR_W-1:0] raddr,
    input  wire              first,
    input  wire [63:0]       q,
    output wire [7*PK-1:0]   p
);
    localparam       LOW    = (HEAD > 128) ? HEAD / 2 - 64 : 0;
    localparam [8:0] OFFSET = LOW[8:0];
    localparam [8:0] TOP    = 9'd126;

    wire first_at_pop;

    genvar j;
    generate
        if (UNITS > 1) begin : gen_first
            delay_line #(.WIDTH(1), .DEPTH(6), .RESET(0)) u_first (
                .clk(clk), .rst(1'b0), .d(first), .q(first_at_pop)
            );
        end else begin : gen_no_first
            assign first_at_pop = first;
            wire   unused_first = &{1'b0, first_at_pop, OFFSET, TOP};
        end
        for (j = 0; j < PK; j = j + 1) begin : gen_key
            wire [63:0] k;
            reg  [63:0] k_q;
            always @(posedge clk) k_q <= k;
            attention_bank #(.ADDR_W(ADDR_W)) u_bank (
                .clk(clk), .we(we[j]), .waddr(waddr), .wdata(wdata), .raddr(raddr), .rdata(k)
            );
            wire [6:0]  pop;
            popcount #(.KW(64), .POP_W(7)) u_popcount (
                .clk(clk), .act(q), .weight(k_q), .pop(pop)
            );
            if (UNITS > 1) begin : gen_sum
                reg  [8:0] sum_q;  // less OFFSET
                reg  [6:0] p_q;
                assign p[7*j +: 7] = p_q;
                always @(posedge clk) begin
                    sum_q <= (first_at_pop ? -OFFSET : sum_q) + {2'd0, pop};
                    p_q   <= sum_q[6:0];
                    if (HEAD > 126 && sum_q > TOP) p_q <= TOP[6:0];
                    if (HEAD > 128 && sum_q[8]) p_q <= 7'd0;
                end
            end else begin : gen_one
                assign p[7*j +: 7] = pop;
            end
        end
    endgenerate
endmodule
`default_nettype wire
