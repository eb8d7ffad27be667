// popcount_pairs: one level of an adder tree. M = ceil(N/2) sums of neighbours.
//
// y[m*V +: V] = x[2m] + x[2m + 1] (the last alone when N is odd); N = 1 passes through, V = W.
// Combinational. Cost: about V LUT a sum; keep_hierarchy keeps Yosys from merging the levels of a
// tree into one multi-operand adder, which is larger.
(* keep_hierarchy *)
module popcount_pairs #(
    parameter N = 8,
    parameter W = 3,
    parameter M = 4,  // ceil(N / 2)
    parameter V = 4   // W + 1, or W when N is 1
) (
    input  wire [N*W-1:0] x,
    output wire [M*V-1:0] y
);
    generate
        if (M != (N + 1) / 2 || V != (N > 1 ? W + 1 : W)) begin : gen_bad_sizes
            ERROR_popcount_pairs_M_and_V_must_follow_N_and_W u_stop ();
        end
    endgenerate

    genvar m;
    generate
        if (N == 1) begin : gen_pass
            assign y = x;
        end else begin : gen_add
            for (m = 0; m < M; m = m + 1) begin : gen_sum
                if (2 * m + 1 < N) begin : gen_pair
                    assign y[m*V+:V] = {1'b0, x[2*m*W+:W]} + {1'b0, x[(2*m+1)*W+:W]};
                end else begin : gen_alone
                    assign y[m*V+:V] = {1'b0, x[2*m*W+:W]};
                end
            end
        end
    endgenerate
endmodule
