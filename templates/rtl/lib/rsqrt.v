// Reciprocal square root: 1/sqrt(v) = r 2**-14 2**-h up to 2**-14 relative, v = clip(value, 1,
// 2**52 - 1), value a signed number of 54 bits.
//
//   h = ceil(bit_length(v) / 2);  n = top 16 bits of v 2**(52 - 2h)
//   y0 = table[n >> 8];  q = rshift_round(y0 y0, 14) (from the table too);  p = rshift_round(n q,
//   14) r = min(rshift_round(y0 (3 2**16 - p), 17), 2**15 - 1)     (one Newton step, r >= 2**14)
//
// h is given in cycle 7, r in cycle 10 (clip and normalise 4, table, product and difference 2,
// product and rounding 2, limit), one value per cycle.
// Names: a number before _q is the cycle after value; z16 .. z1: that many pairs of leading zeros.
// Reset: none, data only. Cost: two DSP48E1, 222 LUT with the table, 168 FF (Yosys).
// hwgen.engine.numerics.rsqrt_fixed.
`default_nettype none
module rsqrt (
    input  wire        clk,
    input  wire [53:0] value,
    output reg  [14:0] r,
    output wire [4:0]  h
);
    // Clip and normalise: pairs of leading zeros are shifted out, 16 and 8, 4, 2 and 1 of them.
    // What a shift needs to know is counted a cycle before or beside it.
    wire        over = ~value[53] & value[52];  // above 52 bits: all ones
    reg  [51:0] value1_q;
    reg         small1_q;  // below 1
    reg         high1_q, top1_q, low1_q;  // any one in bits 51..20, 51..36, 19..4
    wire        z8 = high1_q ? ~top1_q : ~low1_q;
    reg  [51:22] n2_q;
    reg  [51:30] n3_q;
    reg         z16_2_q, z8_2_q, z2_3_q;
    wire        z4 = ~|n2_q[51:44];
    reg  [2:0]  za3_q;
    wire        z1 = z2_3_q ? ~|n3_q[47:46] : ~|n3_q[51:50];
    wire [17:0] n = z2_3_q ? n3_q[47:30] : n3_q[51:34];
    reg  [15:0] n4_q;
    reg  [19:0] h_q;  // cycles 4 .. 7, oldest highest

    always @(posedge clk) begin
        value1_q <= value[51:0];
        small1_q <= value[53] | ~|value[52:0];
        high1_q  <= |value[51:20];
        top1_q   <= |value[51:36];
        low1_q   <= |value[19:4];
        if (over) begin
            value1_q <= {52{1'b1}};
            high1_q  <= 1'b1;
            top1_q   <= 1'b1;
        end

        n2_q    <= high1_q ? (z8 ? value1_q[35:6] : value1_q[51:22])
            : z8 ? {value1_q[3:0], 26'd0} : {value1_q[19:0], 10'd0};
        z16_2_q <= ~high1_q;
        z8_2_q  <= z8;
        if (small1_q) begin  // 1
            n2_q    <= 30'd1 << 26;
            z16_2_q <= 1'b1;
            z8_2_q  <= 1'b1;
        end

        n3_q    <= z4 ? n2_q[43:22] : n2_q[51:30];
        za3_q   <= {z16_2_q, z8_2_q, z4};
        z2_3_q  <= z4 ? ~|n2_q[43:40] : ~|n2_q[51:48];

        n4_q    <= z1 ? n[15:0] : n[17:2];
        h_q     <= {h_q[14:0], 5'd26 - {za3_q, z2_3_q, z1}};
    end

    assign h = h_q[19:15];

    wire        [14:0] y0;
    wire        [15:0] minus_q;
    reg         [15:0] n5_q;
    reg  signed [33:0] nq6_q, d7_q;
    reg         [29:0] y_q;  // y0 in cycles 6, 7, oldest highest
    reg         [32:0] y8_q, y9_q;

    rsqrt_rom u_rom (.clk(clk), .i(n4_q[15:8]), .y0(y0), .minus_q(minus_q));

    wire unused = &{1'b0, d7_q[33:32], d7_q[13:0], y9_q[16:0]};

    // 3 2**16 - rshift_round(n q, 14) = floor((3 2**30 + 2**13 - 1 - n q) / 2**14)
    always @(posedge clk) begin
        n5_q  <= n4_q;
        nq6_q <= $signed({1'b0, n5_q}) * $signed({1'b1, minus_q});  // - n q
        d7_q  <= nq6_q + 34'sh0c0001fff;
        y_q   <= {y_q[14:0], y0};
        y8_q  <= {18'd0, y_q[29:15]} * {15'd0, d7_q[31:14]};
        y9_q  <= y8_q + 33'd65536;
        r     <= y9_q[31:17];
        if (y9_q[32]) r <= 15'h7fff;
    end
endmodule
`default_nettype wire
