// EXP of scores 0..63 (attention_exp), 23 bits.
//
// Combinational. Cost: one LUT6 a bit; keep_hierarchy stops Yosys from making conditions of the
// table's rows resets of the register behind it, one below the other.
`default_nettype none
(* keep_hierarchy *)
module attention_weight (
    input  wire [5:0]  p,
    output wire [22:0] e
);
    wire unused;
    attention_exp u_exp (.p({1'b0, p}), .e({unused, e}));
endmodule
`default_nettype wire
