// Pipelined adder tree: sum = in[0] + in[1] + .. + in[N-1], exact (one more bit per level).
//
// Number i in bits [i*W +: W], unsigned; the low W bits of a sum of signed numbers are right too.
// N: power of two >= 2. Latency: log2(N) cycles, one sum per cycle; no reset: data only.
// Eight numbers: 0, 1, 2 and the ones, twos, fours of the other five (count5) are six operands, so
// five adders in three levels instead of seven. Cost: about 23/32 N adders of W bits from N = 8 on.
`default_nettype none
module adder_tree #(
    parameter N      = 16,
    parameter W      = 24,
    parameter LOG2_N = 4
) (
    input  wire                clk,
    input  wire [N*W-1:0]      in,
    output wire [W+LOG2_N-1:0] sum
);
    localparam FIRST = (N >= 8) ? 3 : 0;  // levels in the sums of eight

    genvar l, i;
    generate
        if (N != (1 << LOG2_N)) begin : gen_guard
            ERROR_adder_tree_N_must_be_2_to_LOG2_N u_stop ();
        end
        // level l: N >> l numbers of W + l bits
        for (l = FIRST; l <= LOG2_N; l = l + 1) begin : gen_level
            wire [(W+l)*(N>>l)-1:0] n;
            if (l == 0) begin : gen_in
                assign n = in;
            end else if (l == FIRST) begin : gen_eight
                for (i = 0; i < (N >> 3); i = i + 1) begin : gen_sum
                    adder_eight #(.W(W)) u_eight (
                        .clk(clk), .in(in[8*W*i +: 8*W]), .sum(n[(W+3)*i +: W+3])
                    );
                end
            end else begin : gen_next
                for (i = 0; i < (N >> l); i = i + 1) begin : gen_add
                    reg [W+l-1:0] sum_q;
                    always @(posedge clk) begin
                        sum_q <= {1'b0, gen_level[l-1].n[(W+l-1)*2*i +: W+l-1]}
                            + {1'b0, gen_level[l-1].n[(W+l-1)*(2*i+1) +: W+l-1]};
                    end
                    assign n[(W+l)*i +: W+l] = sum_q;
                end
            end
        end
    endgenerate

    assign sum = gen_level[LOG2_N].n;
endmodule
`default_nettype wire
