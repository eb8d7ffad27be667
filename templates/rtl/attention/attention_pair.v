// Bit-sliced sum of two keys: 4 s2 + 2 s1 + s0 = va * la + vb * lb in each of W channels.
//
// v: one bit per channel; l: level 0..3 of the key. Combinational. Cost: three LUT6 per channel;
// keep_hierarchy holds Yosys to that.
`default_nettype none
(* keep_hierarchy *)
module attention_pair #(
    parameter W = 64
) (
    input  wire [W-1:0]   va,
    input  wire [W-1:0]   vb,
    input  wire [1:0]     la,
    input  wire [1:0]     lb,
    output wire [3*W-1:0] s  // bit plane b in [b*W +: W]
);
    wire [W-1:0] a0 = va & {W{la[0]}};
    wire [W-1:0] a1 = va & {W{la[1]}};
    wire [W-1:0] b0 = vb & {W{lb[0]}};
    wire [W-1:0] b1 = vb & {W{lb[1]}};
    wire [W-1:0] c1 = a0 & b0;

    assign s[0 +: W]   = a0 ^ b0;
    assign s[W +: W]   = a1 ^ b1 ^ c1;
    assign s[2*W +: W] = (a1 & b1) | (c1 & (a1 ^ b1));
endmodule
`default_nettype wire
