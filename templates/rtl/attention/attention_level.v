// Level of a key, inverted: drop = ~#{k : (p >= r_k) ^ neg}, ~0 where the key does not count (on).
//
// p, a score, and r_k (k in bits [(k-1)*7 +: 7]) have seven bits, compared three at a time.
// Combinational, three levels. Cost: 14 LUT, where carry chains take 7 a comparison.
`default_nettype none
module attention_level (
    input  wire [6:0]  p,
    input  wire [20:0] r,
    input  wire        neg,
    input  wire        on,
    output wire [1:0]  drop
);
    wire [2:0] ge;
    wire [2:0] k = ge ^ {3{neg}};

    genvar i;
    generate
        for (i = 0; i < 3; i = i + 1) begin : gen_threshold
            wire [6:0] t = r[7*i +: 7];
            wire       low, high, high_le;
            attention_reaches u_low (.a(p[2:0]), .b(t[2:0]), .ge(low));
            attention_reaches u_high (.a(p[5:3]), .b(t[5:3]), .ge(high));
            attention_reaches u_high_le (.a(t[5:3]), .b(p[5:3]), .ge(high_le));
            assign ge[i] = (p[6] & ~t[6]) | ((p[6] ~^ t[6]) & high & (~high_le | low));
        end
    endgenerate

    assign drop[0] = ~on | ~(^k);
    assign drop[1] = ~on | ~((k[0] & k[1]) | (k[2] & (k[0] ^ k[1])));
endmodule
`default_nettype wire
