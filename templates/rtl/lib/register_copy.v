// register_copy: q = d of the cycle before, a register that stays where it is written.
//
// Tools merge registers with equal inputs; a signal that drives many loads is copied by hand, one
// instance for each group of them, and the boundary of this module keeps the copies apart.
// Reset: none. Cost: WIDTH flip-flops. Not for values with few loads.
`default_nettype none
(* keep_hierarchy = "yes" *)
module register_copy #(
    parameter WIDTH = 1
) (
    input  wire             clk,
    input  wire [WIDTH-1:0] d,
    output reg  [WIDTH-1:0] q
);
    always @(posedge clk) q <= d;
endmodule
`default_nettype wire
