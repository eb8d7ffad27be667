// LayerNorm statistics of a token and the table of them.
//
//   S1 = sum of all lanes of the beat with phase 0 (of x), S2 = of that with phase 1 (of x x)
//   V = clip(2**log2c S2 - S1 S1 + eps, 1, 2**52 - 1);  (r, h) = rsqrt(V)
//   mean2 = rshift_round(S1, log2c - 1);  full = max(3, h + 3 - log2c)
//   norm_shift = the largest of 3, 5 .. 17 up to full
//   norm_r = rshift_round(r, full - norm_shift)
//
// hwgen.engine.numerics.norm_stats. Lane l of acc_word in bits [l*40 +: 40], signed. One beat per
// cycle with any gaps, phases 0 and 1 in turn: a token per two beats. log2c is 1..10, x 16 bits:
// |S1| <= 2**25 and S2 <= 2**40, so a lane's squares are 0 .. 2**(40 - log2 LANES): the tree sums the
// low 41 - log2 LANES bits, unsigned; of S1, 26 bits count. 2**log2c S2 <= 2**50.
//
// Latency: phase 1 beat in cycle 0 -> entry written at the end of cycle WRITE_AT = 17 + log2 LANES;
// a rd_index in a later cycle reads it. busy, a register, from the cycle after the first beat of a
// token to WRITE_AT of its second, both included. log2c and eps hold while busy. reset (one cycle,
// not while busy) makes the next token entry 0. rd_index -> outputs one cycle later. Reset: control
// only; the table keeps its contents.
// Cost: LANES - 1 adders of about 40 bits, five DSP48E1, the table.
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
    input  wire [51:0]                 eps,
    input  wire                        reset,
    input  wire [$clog2(NT_WORDS)-1:0] rd_index,
    output wire [17:0]                 mean2,
    output wire [15:0]                 norm_r,
    output wire [5:0]                  norm_shift,
    output reg                         busy
);
    localparam LOG2_L   = $clog2(LANES);
    localparam LANE_W   = 41 - LOG2_L;
    localparam INDEX_W  = $clog2(NT_WORDS);
    localparam WRITE_AT = 17 + LOG2_L;

    generate
        if (LANES < 4 || LANES > 256 || (1 << LOG2_L) != LANES) begin : gen_lanes
            ERROR_norm_unit_LANES_must_be_a_power_of_two_from_4_to_256 u_stop ();
        end
        if (NT_WORDS < 2 || (1 << INDEX_W) != NT_WORDS) begin : gen_words
            ERROR_norm_unit_NT_WORDS_must_be_a_power_of_two u_stop ();
        end
    endgenerate

    // ------------------------------------------------------- tags: bit i = i cycles after the beat
    reg [LOG2_L:1]   sum_t;  // phase 0
    reg [WRITE_AT:1] square_t;  // phase 1
    reg              half_q;  // phase 0 seen, phase 1 not yet
    wire             half = acc_valid ? ~phase : half_q;

    always @(posedge clk) begin
        sum_t    <= {sum_t[LOG2_L-1:1], acc_valid & ~phase};
        square_t <= {square_t[WRITE_AT-1:1], acc_valid & phase};
        half_q   <= half;
        busy     <= acc_valid | half | (|square_t[WRITE_AT-1:1]);
        if (rst) begin
            sum_t    <= {LOG2_L{1'b0}};
            square_t <= {WRITE_AT{1'b0}};
            half_q   <= 1'b0;
            busy     <= 1'b0;
        end
    end

    // ------------------------------------------------------------------ sum over the lanes
    wire [LANE_W*LANES-1:0] lanes;
    wire [40:0]             sum;

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

    // ------------------------------------------------------------------ V, 4 cycles, and mean2
    reg signed [25:0] s1_q;
    reg        [25:0] mag_q;  // |S1|
    reg        [40:0] s2_q;
    reg        [25:0] hh_q, hl_q, ll_q;  // products of the halves of |S1|
    reg        [25:0] hh2_q, hl2_q, ll2_q;
    reg        [3:0]  right_q;  // log2c - 1
    reg        [51:0] scaled_q, square_q;
    reg signed [26:0] twice_q;  // 2 S1 / 2**(log2c - 1)
    reg        [52:0] plus_q;
    reg        [53:0] value_q;
    reg        [17:0] mean2_q;

    wire        [25:0] hh    = {13'd0, mag_q[25:13]} * {13'd0, mag_q[25:13]};
    wire        [25:0] hl    = {13'd0, mag_q[25:13]} * {13'd0, mag_q[12:0]};
    wire        [25:0] ll    = {13'd0, mag_q[12:0]} * {13'd0, mag_q[12:0]};
    wire signed [26:0] twice = $signed({s1_q, 1'b0}) >>> right_q;
    wire signed [26:0] mean  = (twice_q + 27'sd1) >>> 1;

    wire unused_bits = &{1'b0, mean[26:18]};

    always @(posedge clk) begin
        right_q <= log2c - 4'd1;
        if (sum_t[LOG2_L]) begin  // held until phase 1 is there
            s1_q  <= $signed(sum[25:0]);
            mag_q <= sum[25] ? 26'd0 - sum[25:0] : sum[25:0];
        end
        s2_q <= sum;
        {hh_q, hl_q, ll_q} <= {hh, hl, ll};

        {hh2_q, hl2_q, ll2_q} <= {hh_q, hl_q, ll_q};
        scaled_q <= {11'd0, s2_q} << log2c;
        twice_q  <= twice;

        square_q <= {hh2_q, ll2_q} + {12'd0, hl2_q, 14'd0};
        plus_q   <= {1'b0, scaled_q} + {1'b0, eps};
        mean2_q  <= mean[17:0];

        value_q <= {1'b0, plus_q} - {2'b00, square_q};
    end

    // ----------------------------------------------------------- reciprocal square root, 12 cycles
    wire [14:0]      r;
    wire [4:0]       h;
    reg  [18*14-1:0] mean2_d;  // oldest highest

    rsqrt u_rsqrt (.clk(clk), .value(value_q), .r(r), .h(h));

    always @(posedge clk) mean2_d <= {mean2_d[18*13-1:0], mean2_q};

    // The lanes have eight shifts: r loses the bits in between. h leads r by three cycles.
    reg  [5:0]  above_q;  // h - log2c
    reg  [4:0]  less_q;   // full - 1 = max(above, 0) + 2, at most 27
    reg  [3:0]  drop_q;
    reg  [4:0]  shift0_q, shift_q;
    reg  [15:0] cut_q;
    wire [14:0] scale = cut_q[15:1] + {14'd0, cut_q[0]};

    always @(posedge clk) begin
        above_q  <= {1'b0, h} - {2'b00, log2c};
        less_q   <= (above_q[5] ? 5'd0 : above_q[4:0]) + 5'd2;
        shift0_q <= less_q[4] ? 5'd17 : {less_q[4:1], 1'b1};
        drop_q   <= less_q[4] ? less_q[3:0] : {3'd0, less_q[0]};
        shift_q  <= shift0_q;
        cut_q    <= {r, 1'b0} >> drop_q;
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
        if (square_t[WRITE_AT]) table_mem[index_q] <= {mean2_d[18*13 +: 18], scale, shift_q};
        entry_q <= table_mem[rd_index];
        index_q <= index_q + {{(INDEX_W-1){1'b0}}, square_t[WRITE_AT]};
        if (rst || reset) index_q <= {INDEX_W{1'b0}};
    end
endmodule
`default_nettype wire
