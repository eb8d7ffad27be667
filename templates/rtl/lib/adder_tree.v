// Pipelined adder tree: sum = in[0] + in[1] + .. + in[N-1], exact (one more bit per level).
//
// Number i in bits [i*W +: W], two's complement when SIGNED, else unsigned. N: power of two >= 2.
// Latency: log2(N) cycles, one sum per cycle; no reset: data only. Cost: about N - 1 adders of W
// bits.
`default_nettype none
module adder_tree #(
    parameter N      = 16,
    parameter W      = 24,
    parameter SIGNED = 0,
    parameter LOG2_N = 4
) (
    input  wire                clk,
    input  wire [N*W-1:0]      in,
    output wire [W+LOG2_N-1:0] sum
);
    genvar l, i;
    generate
        if (N != (1 << LOG2_N)) begin : gen_guard
            ERROR_adder_tree_N_must_be_2_to_LOG2_N u_stop ();
        end
        // level l: N >> l numbers of W + l bits
        for (l = 0; l <= LOG2_N; l = l + 1) begin : gen_level
            wire [(W+l)*(N>>l)-1:0] n;
            if (l == 0) begin : gen_first
                assign n = in;
            end else begin : gen_next
                for (i = 0; i < (N >> l); i = i + 1) begin : gen_add
                    wire [W+l-2:0] a = gen_level[l-1].n[(W+l-1)*2*i +: W+l-1];
                    wire [W+l-2:0] b = gen_level[l-1].n[(W+l-1)*(2*i+1) +: W+l-1];
                    wire           sa = (SIGNED != 0) ? a[W+l-2] : 1'b0;
                    wire           sb = (SIGNED != 0) ? b[W+l-2] : 1'b0;
                    reg  [W+l-1:0] sum_q;
                    always @(posedge clk) sum_q <= {sa, a} + {sb, b};
                    assign n[(W+l)*i +: W+l] = sum_q;
                end
            end
        end
    endgenerate

    assign sum = gen_level[LOG2_N].n;
endmodule
`default_nettype wire
