// Reciprocal square root: 1/sqrt(value) = r 2**-14 2**-h up to 2**-14 relative, 1 <= value < 2**52.
//
//   h = ceil(bit_length(value) / 2);  v = top 16 bits of value 2**(52 - 2h)
//   y0 = table[v >> 8];  q = rshift_round(y0 y0, 14) (from the table too);  p = rshift_round(v q,
//   14) r = min(rshift_round(y0 (3 2**16 - p), 17), 2**15 - 1)     (one Newton step, r >= 2**14)
//
// h is given in cycle 7, r in cycle 8 (normalise 3, table, product, difference, product, round),
// one value per cycle.
// Reset: none, data only. Cost: two DSP48E1, one block RAM or 130 LUT, about 250 LUT.
// hwgen.engine.numerics.rsqrt_fixed.
`default_nettype none
module rsqrt (
    input  wire        clk,
    input  wire [51:0] value,
    output reg  [14:0] r,
    output wire [4:0]  h
);
    // Normalise: shift out pairs of leading zeros, 16, 8 | 4, 2 | 1 of them.
    wire        z16 = ~|value[51:20];
    wire [51:0] n16 = z16 ? {value[19:0], 32'd0} : value;
    wire        z8  = ~|n16[51:36];
    wire [51:0] n8  = z8 ? {n16[35:0], 16'd0} : n16;
    reg  [51:0] n8_q;
    reg  [1:0]  za_q;
    wire        z4 = ~|n8_q[51:44];
    wire [51:0] n4 = z4 ? {n8_q[43:0], 8'd0} : n8_q;
    wire        z2 = ~|n4[51:48];
    wire [17:0] n2 = z2 ? n4[47:30] : n4[51:34];
    reg  [17:0] n2_q;
    reg  [3:0]  zb_q;
    wire        z1 = ~|n2_q[17:16];
    reg  [15:0] v_q;
    reg  [24:0] h_q;  // five cycles, oldest highest

    wire unused_n4 = &{1'b0, n4[29:0]};

    wire [14:0] y0;
    wire [15:0] q;
    reg  [15:0] v4_q;
    reg  [14:0] y5_q, y6_q;
    reg  [31:0] vq_q;
    reg  [17:0] d_q;
    reg  [32:0] y_q;

    rsqrt_rom u_rom (.clk(clk), .i(v_q[15:8]), .y0(y0), .q(q));

    wire [17:0] p     = vq_q[31:14] + {17'd0, vq_q[13]};
    wire [15:0] round = y_q[32:17] + {15'd0, y_q[16]};

    wire unused_vq = &{1'b0, vq_q[12:0], y_q[15:0]};

    assign h = h_q[24:20];

    always @(posedge clk) begin
        n8_q <= n8;
        za_q <= {z16, z8};
        n2_q <= n2;
        zb_q <= {za_q, z4, z2};
        v_q  <= z1 ? n2_q[15:0] : n2_q[17:2];
        h_q  <= {h_q[19:0], 5'd26 - {zb_q, z1}};
        v4_q <= v_q;
        vq_q <= {16'd0, v4_q} * {16'd0, q};
        y5_q <= y0;
        d_q  <= 18'h30000 - p;
        y6_q <= y5_q;
        y_q  <= {18'd0, y6_q} * {15'd0, d_q};
        r    <= round[15] ? 15'h7fff : round[14:0];
    end
endmodule
`default_nettype wire
