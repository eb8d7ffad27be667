// popcount_xnor3: agreements of three bit pairs, in T independent columns.
//
// twos[t] * 2 + ones[t] = sum over i < 3 of (a[i*T + t] == b[i*T + t]).
// Combinational. Cost: two LUT6 a column; keep_hierarchy stops Yosys from turning the count back
// into one big sum of single bits (2.2 LUT a bit). Plain vectors, so that it simulates fast.
`default_nettype none
(* keep_hierarchy *)
module popcount_xnor3 #(
    parameter T = 43
) (
    input  wire [3*T-1:0] a,
    input  wire [3*T-1:0] b,
    output wire [  T-1:0] ones,
    output wire [  T-1:0] twos
);
    wire [3*T-1:0] same = ~(a ^ b);
    wire [T-1:0] x = same[0+:T];
    wire [T-1:0] y = same[T+:T];
    wire [T-1:0] z = same[2*T+:T];

    assign ones = x ^ y ^ z;
    assign twos = (x & y) | (z & (x ^ y));
endmodule
`default_nettype wire
