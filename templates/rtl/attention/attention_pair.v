// Bit-sliced sum of two keys: 4 s2 + 2 s1 + s0 = va * la + vb * lb in each of 64 channels.
//
// v: one bit per channel; l: level 0..3 of the key. Combinational. Cost: three LUT6 per channel;
// keep_hierarchy holds Yosys to that.
`default_nettype none
(* keep_hierarchy *)
module attention_pair (
    input  wire [63:0]  va,
    input  wire [63:0]  vb,
    input  wire [1:0]   la,
    input  wire [1:0]   lb,
    output wire [191:0] s  // bit plane b in [b*64 +: 64]
);
    wire [63:0] a0 = va & {64{la[0]}};
    wire [63:0] a1 = va & {64{la[1]}};
    wire [63:0] b0 = vb & {64{lb[0]}};
    wire [63:0] b1 = vb & {64{lb[1]}};
    wire [63:0] c1 = a0 & b0;

    assign s[63:0]    = a0 ^ b0;
    assign s[127:64]  = a1 ^ b1 ^ c1;
    assign s[191:128] = (a1 & b1) | (c1 & (a1 ^ b1));
endmodule
`default_nettype wire
