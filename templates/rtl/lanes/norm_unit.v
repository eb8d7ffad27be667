// LayerNorm statistics of a token and the table of them.
//
//   S1 = sum of all lanes of the beat with phase 0 (of x), S2 = of that with phase 1 (of x x), both
//   times scale 2**-16, rounded: of C channels those of 2**log2c, with
//   scale = floor(2**(16 + log2c) / C)
//   V = clip(2**log2c S2 - S1 S1 + eps, 1, 2**52 - 1);  (r, h) = rsqrt(V)
//   mean2 = rshift_round(S1, log2c - 1);  full = max(3, h + 3 - log2c)
//   norm_shift = the largest of 3, 5 .. 17 up to full
//   norm_r = rshift_round(r, full - norm_shift)
//
// hwgen.engine.numerics.norm_stats. Lane l of acc_word in bits [l*40 +: 40], signed. One beat per
// cycle with any gaps, phases 0 and 1 in turn: a token per two beats. log2c is 1..11, x 16 bits:
// |S1| <= 2**26 and S2 <= 2**41, so a lane's squares are 0 .. 2**(41 - log2 LANES): the tree sums
// the low 42 - log2 LANES bits, unsigned; of S1, 27 bits count. 2**log2c S2 <= 2**52.
//
// Latency: phase 1 beat in cycle 0 -> entry written at the end of cycle WRITE_AT = 20 + log2 LANES;
// a rd_index in a later cycle reads it. busy, a register, from the cycle after the first beat of a
// token to WRITE_AT of its second, both included. log2c, scale and eps hold while busy. reset (one
// cycle, not while busy) makes the next token entry 0. rd_index -> outputs one cycle later. Reset:
// control only; the table keeps its contents.
// Cost: adder_tree of LANES numbers of about 36 bits, seven DSP48E1, the table.
`default_nettype none
module norm_unit #(
    parameter LANES    = 16,  // a power of two, 4 .. 256
    parameter NT_WORDS = 64   // table entries, a power of two >= 2
) (
    input  wire                        clk,
    input  wire                        rst,
    input  wire                        acc_valid,
    input  wire [40*LANES-1:0]         acc_word,
    input  wire                        phase,
    input  wire [3:0]                  log2c,
    input  wire [16:0]                 scale,
    input  wire [51:0]                 eps,
    input  wire                        reset,
    input  wire [$clog2(NT_WORDS)-1:0] rd_index,
    output wire [17:0]                 mean2,
    output wire [15:0]                 norm_r,
    output wire [5:0]                  norm_shift,
    output reg                         busy
);
    localparam LOG2_L   = $clog2(LANES);
    localparam LANE_W   = 42 - LOG2_L;
    localparam INDEX_W  = $clog2(NT_WORDS);
    localparam SCALED   = 4 + LOG2_L;   // cycles from a beat to its scaled sum
    localparam WRITE_AT = 16 + SCALED;

    generate
        if (LANES < 4 || LANES > 256 || (1 << LOG2_L) != LANES) begin : gen_lanes
            ERROR_norm_unit_LANES_must_be_a_power_of_two_from_4_to_256 u_stop ();
        end
        if (NT_WORDS < 2 || (1 << INDEX_W) != NT_WORDS) begin : gen_words
            ERROR_norm_unit_NT_WORDS_must_be_a_power_of_two u_stop ();
        end
    endgenerate

    // ------------------------------------------------------- tags: bit i = i cycles after the beat
    reg [SCALED:1]   sum_t;  // phase 0
    reg [WRITE_AT:1] square_t;  // phase 1
    reg              half_q;  // phase 0 seen, phase 1 not yet
    wire             half = acc_valid ? ~phase : half_q;

    always @(posedge clk) begin
        sum_t    <= {sum_t[SCALED-1:1], acc_valid & ~phase};
        square_t <= {square_t[WRITE_AT-1:1], acc_valid & phase};
        half_q   <= half;
        busy     <= acc_valid | half | (|square_t[WRITE_AT-1:1]);
        if (rst) begin
            sum_t    <= {SCALED{1'b0}};
            square_t <= {WRITE_AT{1'b0}};
            half_q   <= 1'b0;
            busy     <= 1'b0;
        end
    end

    // ------------------------------------------------------------------ sum over the lanes
    wire [LANE_W*LANES-1:0] lanes;
    wire [41:0]             sum;

    genvar l;
    generate
        for (l = 0; l < LANES; l = l + 1) begin : gen_lane
            wire unused_high = &{1'b0, acc_word[40*l+LANE_W +: 40-LANE_W]};
            assign lanes[LANE_W*l +: LANE_W] = acc_word[40*l +: LANE_W];
        end
    endgenerate

    adder_tree #(.N(LANES), .W(LANE_W), .LOG2_N(LOG2_L)) u_tree (
        .clk(clk), .in(lanes), .sum(sum)
    );

    // ------------------------------------------------------------------ times scale, 4 cycles
    // sum = 2**24 upper + lower, upper signed.
    reg        [23:0] lower1_q;
    reg signed [18:0] upper1_q, upper2_q;
    reg        [40:0] lower2_q, lower3_q;
    reg signed [36:0] upper3_q, upper4_q;
    reg         [7:0] lower4_q;
    wire signed [17:0] factor = {1'b0, scale};
    wire       [41:0] scaled_sum = {upper4_q[33:0], lower4_q};
    wire              unused_scaled = &{1'b0, upper4_q[36:34], lower3_q[15:0]};

    always @(posedge clk) begin
        lower1_q <= sum[23:0];
        upper1_q <= square_t[LOG2_L] ? {1'b0, sum[41:24]} : {{16{sum[26]}}, sum[26:24]};
        lower2_q <= lower1_q * scale;
        upper2_q <= upper1_q;
        lower3_q <= lower2_q + 41'd32768;
        upper3_q <= upper2_q * factor;
        lower4_q <= lower3_q[23:16];
        upper4_q <= upper3_q + $signed({20'd0, lower3_q[40:24]});
    end

    // ------------------------------------------------------------------ V, 5 cycles, and mean2
    // S1 = 2**13 high + low; low low, high low and high high, each plus what the one before has
    // above its lowest bits. S1 is there a cycle before S2 at least, and held.
    reg  signed [26:0] s1_q;
    wire signed [13:0] high = s1_q[26:13];
    wire signed [13:0] low  = {1'b0, s1_q[12:0]};
    reg  signed [13:0] high1_q, high2_q;
    reg  signed [13:0] low1_q;
    reg  signed [27:0] ll1_q, ll2_q;
    reg  signed [27:0] hl2_q, hl3_q;
    reg  signed [27:0] hh3_q, hh4_q;
    reg         [13:0] ll3_q, ll4_q;
    reg         [11:0] hl4_q;
    wire        [52:0] square = {hh4_q[26:0], hl4_q, ll4_q};
    reg         [41:0] s2_q, s2_late_q;
    reg         [3:0]  right_q;  // log2c - 1, 0..10: shifts of 0..3, then of 0, 4, 8
    reg         [44:0] scaled_q;
    wire        [51:0] scaled = right_q[3] ? {scaled_q[43:0], 8'd0}  // 2**(log2c - 1) S2
        : right_q[2] ? {3'd0, scaled_q, 4'd0} : {7'd0, scaled_q};
    reg  signed [27:0] twice_q;  // 2 S1 / 2**(log2c - 1)
    wire signed [27:0] twice = right_q[3] ? twice_q >>> 8 : right_q[2] ? twice_q >>> 4 : twice_q;
    reg         [52:0] plus_q;
    reg         [53:0] value_q;
    reg         [17:0] mean2_q;

    // sums as subtractions: the left operand is a register (or 0) that reaches the carry chain
    // without a LUT, so that the choice of the shift and the sum are one LUT a bit
    wire [53:0] plus = {1'b0, eps, 1'b0} - {~scaled, 2'b11};
    wire [18:0] mean = 19'd0 - ~twice[18:0];

    wire unused_bits = &{1'b0, plus[0], mean[0], twice[27:19], ll2_q[27:26], hh4_q[27]};

    always @(posedge clk) begin
        right_q <= log2c - 4'd1;
        if (sum_t[SCALED]) s1_q <= scaled_sum[26:0];
        {high2_q, high1_q} <= {high1_q, high};
        low1_q    <= low;
        ll1_q     <= low * low;
        ll2_q     <= ll1_q;
        hl2_q     <= high1_q * low1_q;
        hl3_q     <= hl2_q + $signed({16'd0, ll2_q[25:14]});
        hh3_q     <= high2_q * high2_q;
        hh4_q     <= hh3_q + $signed({{12{hl3_q[27]}}, hl3_q[27:12]});
        {ll4_q, ll3_q} <= {ll3_q, ll2_q[13:0]};
        hl4_q     <= hl3_q[11:0];

        s2_q      <= scaled_sum;
        s2_late_q <= s2_q;
        scaled_q  <= {3'd0, s2_late_q} << right_q[1:0];
        plus_q    <= plus[53:1];
        value_q   <= {1'b0, plus_q} - {1'b0, square};

        twice_q   <= $signed({s1_q, 1'b0}) >>> right_q[1:0];
        mean2_q   <= mean[18:1];
    end

    // ----------------------------------------------------------- reciprocal square root, 10 cycles
    wire [14:0]      r;
    wire [4:0]       h;
    reg  [18*13-1:0] mean2_d;  // oldest highest

    rsqrt u_rsqrt (.clk(clk), .value(value_q), .r(r), .h(h));

    always @(posedge clk) mean2_d <= {mean2_d[18*12-1:0], mean2_q};

    // The lanes have eight shifts: r loses the bits in between. h leads r by three cycles.
    reg  [5:0]  above_q;  // h - log2c
    reg  [4:0]  less_q;   // full - 1 = max(above, 0) + 2, at most 27
    reg  [3:0]  drop_q;   // at most 11: shifts of 0..3, then of 0, 4, 8
    reg  [1:0]  drop_high_q;
    reg  [4:0]  shift0_q, shift_q;
    reg  [15:0] cut_q;
    wire [15:0] cut   = drop_high_q[1] ? cut_q >> 8 : drop_high_q[0] ? cut_q >> 4 : cut_q;
    wire [15:0] gain  = 16'd0 - ~cut;
    wire        unused_gain  = gain[0];

    always @(posedge clk) begin
        above_q  <= {1'b0, h} - {2'b00, log2c};
        less_q   <= (above_q[5] ? 5'd0 : above_q[4:0]) + 5'd2;
        shift0_q <= less_q[4] ? 5'd17 : {less_q[4:1], 1'b1};
        drop_q   <= less_q[4] ? less_q[3:0] : {3'd0, less_q[0]};
        shift_q  <= shift0_q;
        cut_q    <= {r, 1'b0} >> drop_q[1:0];
        drop_high_q <= drop_q[3:2];
    end

    // ------------------------------------------------------------------ table
    (* ram_style = "distributed" *)
    reg  [37:0]        table_mem [0:NT_WORDS-1];
    reg  [37:0]        entry_q;
    reg  [INDEX_W-1:0] index_q;

    assign mean2      = entry_q[37:20];
    assign norm_r     = {1'b0, entry_q[19:5]};
    assign norm_shift = {1'b0, entry_q[4:0]};

    always @(posedge clk) begin
        if (square_t[WRITE_AT]) table_mem[index_q] <= {mean2_d[18*12 +: 18], gain[15:1], shift_q};
        entry_q <= table_mem[rd_index];
        index_q <= index_q + {{(INDEX_W-1){1'b0}}, square_t[WRITE_AT]};
        if (rst || reset) index_q <= {INDEX_W{1'b0}};
    end
endmodule
`default_nettype wire
