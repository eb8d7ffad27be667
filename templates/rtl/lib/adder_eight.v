// Pipelined sum of eight unsigned numbers of W bits, exact, in five adders.
//
// Number i in bits [i*W +: W]. 0 + ones, 1 + 2 twos, 2 + 4 fours of numbers 3 .. 7 (count5), then
// (first + second) + third. The plain number is the left operand: it reaches the carry chain
// without a LUT, so that the count is in the LUT of the sum.
// Latency: 3 cycles, one sum per cycle; no reset: data only. Cost: 5 W LUT.
`default_nettype none
module adder_eight #(
    parameter W = 24
) (
    input  wire           clk,
    input  wire [8*W-1:0] in,
    output reg  [W+2:0]   sum
);
    wire [W-1:0] ones, twos, fours;
    count5 #(.W(W)) u_count (
        .a(in[3*W +: W]), .b(in[4*W +: W]), .c(in[5*W +: W]), .d(in[6*W +: W]), .e(in[7*W +: W]),
        .ones(ones), .twos(twos), .fours(fours)
    );

    reg [W:0]   ones_q;
    reg [W+1:0] twos_q;
    reg [W+2:0] two_q;  // up to 5 2**W
    reg [W+2:0] fours_q, four_q;

    always @(posedge clk) begin
        ones_q  <= {1'b0, in[0 +: W]} + {1'b0, ones};
        twos_q  <= {2'b00, in[W +: W]} + {1'b0, twos, 1'b0};
        fours_q <= {3'b000, in[2*W +: W]} + {1'b0, fours, 2'b00};
        two_q   <= {1'b0, twos_q} + {2'b00, ones_q};
        four_q  <= fours_q;
        sum     <= four_q + two_q;
    end
endmodule
`default_nettype wire
