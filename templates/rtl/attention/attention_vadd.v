// Bit-sliced adder: s = a + b in each of 64 channels; N bit planes in, N + 1 out.
//
// Plane i of a number in bits [i*64 +: 64], unsigned. Combinational ripple. Cost with N = 3: four
// LUT6 per channel (keep_hierarchy holds Yosys to that), N = 4: about six.
`default_nettype none
(* keep_hierarchy *)
module attention_vadd #(
    parameter N = 3  // bit planes of a and b
) (
    input  wire [64*N-1:0]     a,
    input  wire [64*N-1:0]     b,
    output wire [64*(N+1)-1:0] s
);
    genvar i;
    generate
        for (i = 0; i < N; i = i + 1) begin : gen_plane
            wire [63:0] x = a[64*i +: 64];
            wire [63:0] y = b[64*i +: 64];
            wire [63:0] carry;
            if (i == 0) begin : gen_first
                assign s[63:0] = x ^ y;
                assign carry   = x & y;
            end else begin : gen_next
                assign s[64*i +: 64] = x ^ y ^ gen_plane[i-1].carry;
                assign carry         = (x & y) | (gen_plane[i-1].carry & (x ^ y));
            end
        end
    endgenerate
    assign s[64*N +: 64] = gen_plane[N-1].carry;
endmodule
`default_nettype wire
