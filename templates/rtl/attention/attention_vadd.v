// Bit-sliced adder: s = a + b in each of W channels; N bit planes in, N + 1 out.
//
// Plane i of a number in bits [i*W +: W], unsigned. Combinational ripple. Cost with N = 3: four
// LUT6 per channel (keep_hierarchy holds Yosys to that), N = 4: about six.
`default_nettype none
(* keep_hierarchy *)
module attention_vadd #(
    parameter W = 64,
    parameter N = 3  // bit planes of a and b
) (
    input  wire [W*N-1:0]     a,
    input  wire [W*N-1:0]     b,
    output wire [W*(N+1)-1:0] s
);
    genvar i;
    generate
        for (i = 0; i < N; i = i + 1) begin : gen_plane
            wire [W-1:0] x = a[W*i +: W];
            wire [W-1:0] y = b[W*i +: W];
            wire [W-1:0] carry;
            if (i == 0) begin : gen_first
                assign s[W-1:0] = x ^ y;
                assign carry   = x & y;
            end else begin : gen_next
                assign s[W*i +: W] = x ^ y ^ gen_plane[i-1].carry;
                assign carry         = (x & y) | (gen_plane[i-1].carry & (x ^ y));
            end
        end
    endgenerate
    assign s[W*N +: W] = gen_plane[N-1].carry;
endmodule
`default_nettype wire
