// popcount_total: sum = {twos, one} + (ones + 2 * two).
//
// ones + 2 * two is written as logic of at most five inputs a bit, so that the whole is one carry
// chain. The caller knows that the sum fits in W + 1 bits.
// Combinational. Cost: about V + 1 LUT; keep_hierarchy as in popcount_pairs.
`default_nettype none
(* keep_hierarchy *)
module popcount_total #(
    parameter W = 7,  // bits of {twos, one}
    parameter V = 4   // bits of ones, 2 .. W - 2
) (
    input  wire [W-2:0] twos,
    input  wire         one,
    input  wire [V-1:0] ones,
    input  wire         two,
    output wire [  W:0] sum
);
    wire [V:0] x;
    assign x[0] = ones[0];
    genvar i;
    generate
        for (i = 1; i <= V; i = i + 1) begin : gen_bit
            if (i == 1) begin : gen_first
                assign x[i] = ones[i] ^ two;
            end else if (i < V) begin : gen_middle
                assign x[i] = ones[i] ^ (two && &ones[i-1:1]);
            end else begin : gen_last
                assign x[i] = two && &ones[i-1:1];
            end
        end
    endgenerate
    assign sum = {1'b0, twos, one} + {{(W - V) {1'b0}}, x};
endmodule
`default_nettype wire
