// ge = a >= b of three bits each.
//
// Combinational. Cost: one LUT6; keep_hierarchy holds Yosys to that.
`default_nettype none
(* keep_hierarchy *)
module attention_reaches (
    input  wire [2:0] a,
    input  wire [2:0] b,
    output wire       ge
);
    wire [2:0] same = ~(a ^ b);
    wire [2:0] over = a & ~b;

    assign ge = over[2] | (same[2] & (over[1] | (same[1] & (over[0] | same[0]))));
endmodule
`default_nettype wire
