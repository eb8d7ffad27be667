// register_copy: a register that synthesis keeps apart from its equals, for nets with many sinks.
//
// q = d of one cycle ago. keep_hierarchy: Yosys merges equal registers otherwise. Reset: none; d is
// 0 in reset where q must be. Cost: WIDTH flip-flops.
// Not for nets with fewer than about 60 sinks, where one register serves all.
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
