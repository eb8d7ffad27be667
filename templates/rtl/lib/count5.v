// count5: a + b + c + d + e = 4 fours + 2 twos + ones, in each of W columns of bits.
//
// Every output is a function of five bits, so a carry chain adds it to a register with one LUT6 a
// position: three chains add five numbers to a sum, where plain adders are five chains.
// Combinational, plain vectors. Cost: none beside the adders that take the outputs.
`default_nettype none
module count5 #(
    parameter W = 8
) (
    input  wire [W-1:0] a,
    input  wire [W-1:0] b,
    input  wire [W-1:0] c,
    input  wire [W-1:0] d,
    input  wire [W-1:0] e,
    output wire [W-1:0] ones,
    output wire [W-1:0] twos,
    output wire [W-1:0] fours
);
    wire [W-1:0] abc   = a ^ b ^ c;
    wire [W-1:0] first = (a & b) | (c & (a ^ b));
    wire [W-1:0] next  = (d & e) | (abc & (d ^ e));

    assign ones  = abc ^ d ^ e;
    assign twos  = first ^ next;
    assign fours = first & next;
endmodule
`default_nettype wire
