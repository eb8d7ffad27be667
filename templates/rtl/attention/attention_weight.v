// EXP of scores (attention_exp), the low P_W and E_W bits of both.
//
// Combinational. Cost: one LUT6 a bit up to six bits of p; keep_hierarchy stops Yosys from making
// conditions of the table's rows resets of the register behind it, one below the other.
`default_nettype none
(* keep_hierarchy *)
module attention_weight #(
    parameter P_W = 6,
    parameter E_W = 23
) (
    input  wire [P_W-1:0] p,
    output wire [E_W-1:0] e
);
    wire [P_W+6:0] padded = {7'd0, p};
    wire [23:0]    weight;
    wire           unused_high = &{1'b0, padded[P_W+6:7]};

    attention_exp u_exp (.p(padded[6:0]), .e(weight));

    assign e = weight[E_W-1:0];

    generate
        if (E_W < 24) begin : gen_unused
            wire unused = &{1'b0, weight[23:E_W]};
        end
    endgenerate
endmodule
`default_nettype wire
