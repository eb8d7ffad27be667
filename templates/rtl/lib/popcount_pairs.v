// popcount_pairs: one level of an adder tree, N words and N single bits to M = N/2 of each.
//
// y[m*V +: V] = x[2m] + x[2m + 1] + c[m]; rest[m] = c[M + m]. A single bit has the weight of the
// words' lowest bit, so the sum of all words and bits is kept. N = 1 passes through, V = W.
// The carry in is a chain position that adds c to c: no LUT.
// Combinational. Cost: W LUT a sum; keep_hierarchy keeps Yosys from merging the levels of a tree
// into one multi-operand adder, which is larger.
`default_nettype none
(* keep_hierarchy *)
module popcount_pairs #(
    parameter N = 8,
    parameter W = 3,
    parameter M = 4,  // N / 2, or 1 when N is 1
    parameter V = 4   // W + 1, or W when N is 1
) (
    input  wire [N*W-1:0] x,
    input  wire [  N-1:0] c,
    output wire [M*V-1:0] y,
    output wire [  M-1:0] rest
);
    generate
        if (M != (N > 1 ? N / 2 : 1) || (N > 1 && N % 2 != 0)) begin : gen_bad_m
            ERROR_popcount_pairs_M_must_be_half_of_an_even_N u_stop ();
        end
        if (V != (N > 1 ? W + 1 : W)) begin : gen_bad_v
            ERROR_popcount_pairs_V_must_be_W_plus_1_or_W_when_N_is_1 u_stop ();
        end
    endgenerate

    genvar m;
    generate
        if (N == 1) begin : gen_pass
            assign y = x;
            assign rest = c;
        end else begin : gen_add
            wire [M-1:0] low;
            wire unused = &{1'b0, low};
            assign rest = c[M+:M];
            for (m = 0; m < M; m = m + 1) begin : gen_sum
                assign {y[m*V+:V], low[m]} =
                    {1'b0, x[2*m*W+:W], c[m]} + {1'b0, x[(2*m+1)*W+:W], c[m]};
            end
        end
    endgenerate
endmodule
`default_nettype wire
