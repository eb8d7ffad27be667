// Reciprocal square root: 1/sqrt(v) = r 2**-14 2**-h up to 2**-14 relative, v = clip(value, 1,
// 2**52 - 1), value a signed number of 54 bits.
//
//   h = ceil(bit_length(v) / 2);  n = top 16 bits of v 2**(52 - 2h)
//   y0 = table[n >> 8];  q = rshift_round(y0 y0, 14) (from the table too);  p = rshift_round(n q,
//   14) r = min(rshift_round(y0 (3 2**16 - p), 17), 2**15 - 1)     (one Newton step, r >= 2**14)
//
// h is given in cycle 9, r in cycle 12 (clip and normalise 5, table, product 2, difference, product
// 2, round), one value per cycle.
// Names: a number before _q is the cycle after value; z16 .. z1: that many pairs of leading zeros.
// Reset: none, data only. Cost: two DSP48E1, 290 LUT with the table, 230 FF (Yosys).
// hwgen.engine.numerics.rsqrt_fixed.
`default_nettype none
module rsqrt (
    input  wire        clk,
    input  wire [53:0] value,
    output reg  [14:0] r,
    output wire [4:0]  h
);
    // Clip and normalise: pairs of leading zeros are shifted out, 16, 8, 4, 2, 1 of them in turn.
    // What a shift needs to know is counted a cycle before, beside the shift before it.
    reg  [51:0] value1_q;
    reg         small1_q, over1_q;  // below 1, above 52 bits
    reg         high1_q, top1_q, low1_q;  // any one in bits 51..20, 51..36, 19..4
    wire        z16 = small1_q | (~over1_q & ~high1_q);
    wire [51:0] shift16 = high1_q ? value1_q : {value1_q[19:0], 32'd0};
    reg  [51:6] n2_q;
    reg  [51:22] n3_q;
    reg  [51:30] n4_q;
    reg         z16_2_q, z8_2_q, z4_3_q, z2_4_q;
    reg  [1:0]  za3_q;
    reg  [2:0]  za4_q;
    wire        z1 = z2_4_q ? ~|n4_q[47:46] : ~|n4_q[51:50];
    wire [17:0] n = z2_4_q ? n4_q[47:30] : n4_q[51:34];
    reg  [15:0] n5_q;
    reg  [24:0] h_q;  // cycles 5 .. 9, oldest highest

    wire unused_shift16 = &{1'b0, shift16[5:0]};

    always @(posedge clk) begin
        value1_q <= value[51:0];
        small1_q <= value[53] | ~|value[52:0];
        over1_q  <= ~value[53] & value[52];
        high1_q  <= |value[51:20];
        top1_q   <= |value[51:36];
        low1_q   <= |value[19:4];

        n2_q    <= small1_q ? 46'd1 << 26 : shift16[51:6] | {46{over1_q}};
        z16_2_q <= z16;
        z8_2_q  <= small1_q | (~over1_q & ~(high1_q ? top1_q : low1_q));

        n3_q    <= z8_2_q ? n2_q[35:6] : n2_q[51:22];
        za3_q   <= {z16_2_q, z8_2_q};
        z4_3_q  <= z8_2_q ? ~|n2_q[35:28] : ~|n2_q[51:44];

        n4_q    <= z4_3_q ? n3_q[43:22] : n3_q[51:30];
        za4_q   <= {za3_q, z4_3_q};
        z2_4_q  <= z4_3_q ? ~|n3_q[43:40] : ~|n3_q[51:48];

        n5_q    <= z1 ? n[15:0] : n[17:2];
        h_q     <= {h_q[19:0], 5'd26 - {za4_q, z2_4_q, z1}};
    end

    assign h = h_q[24:20];

    wire [14:0] y0;
    wire [15:0] q;
    reg  [15:0] n6_q;
    reg  [31:0] nq7_q, nq8_q;
    reg  [17:0] d9_q;
    reg  [44:0] y_q;  // y0 in cycles 7 .. 9, oldest highest
    reg  [32:0] y10_q, y11_q;

    rsqrt_rom u_rom (.clk(clk), .i(n5_q[15:8]), .y0(y0), .q(q));

    // 3 2**16 - rshift_round(nq, 14) = floor((3 2**30 + 2**13 - 1 - nq) / 2**14): one subtraction
    wire [31:0] d     = 32'hc0001fff - nq8_q;
    wire [15:0] round = y11_q[32:17] + {15'd0, y11_q[16]};

    wire unused = &{1'b0, d[13:0], y11_q[15:0]};

    always @(posedge clk) begin
        n6_q  <= n5_q;
        nq7_q <= {16'd0, n6_q} * {16'd0, q};
        nq8_q <= nq7_q;
        d9_q  <= d[31:14];
        y_q   <= {y_q[29:0], y0};
        y10_q <= {18'd0, y_q[44:30]} * {15'd0, d9_q};
        y11_q <= y10_q;
        r     <= round[14:0];
        if (round[15]) r <= 15'h7fff;
    end
endmodule
`default_nettype wire
