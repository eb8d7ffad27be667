// mac_source: from a beat of mac_nest to the stage-0 inputs of the lanes, SOURCE = 7 cycles later.
//
//   stage 1  taps: addr = pos + offset[tap], column = i2 + dx[tap]
//   stage 2  taps: addr -/+ width sx when the column is outside [0, width), or, when padded, the
//            word pad then and for taps with tap_out; memory read request, which chooses the
//            address
//   stage 4  m_*: the beat is announced
//   stage 5  WB read request
//   stage 5  words at the memories' outputs
//   stage 6  the word of the memory that was read; of STORE's where no beat reads (fr_word, 4
//            cycles after its request, sign-extended to 16 bits)
//   stage 7  in_feat, in_scalar, in_extra: stage 0 of the lanes
//
// MACS: addr counts elements, word = addr / LANES, lane = addr mod LANES. A beat takes two
// elements, addr and addr | 1, in s_scalar and the first of s_extra; with quad four, addr (a
// multiple of 4) ..
// addr + 3. What an instruction does not take is 0 in s_extra.
// stencil: beats whose words only fill the stencil memory (of the first LEAD columns; of the second
// row when there is one_row) are not announced; s_words see stencil_memory.v.
// LNAPPLY reads table entry count / (share + 1), count = its results since `index_reset`; the index
// is at stage 4, so that the entry's shift is there with the beat's modes.
// Names: _1_q .. _7_q registers of stages 1 .. 7, _2 .. _6 what is there; s_* stage 7. new_*: of
// the instruction that was loaded; its first beat is still to come.
// One beat per cycle. Reset: control only. Cost: LANES x ACT_BITS + 300 flip-flops, two 20-bit
// adders, LANES x ACT_BITS / 2 LUTs of memory select, four LANES / 4 : 1 multiplexers of ACT_BITS,
// one 4 : 1 and one 2 : 1.
`default_nettype none
module mac_source #(
    parameter LANES = 16,
    parameter ACT_BITS = 16,
    parameter NT_AW = 6
) (
    input  wire                      clk,
    input  wire                      rst,
    // instruction, taken with `load` (its first beat comes two cycles later)
    input  wire                      load,
    input  wire                      mem,
    input  wire                      taps,
    input  wire                      macs,
    input  wire                      quad,
    input  wire                      stencil,
    input  wire                      one_row,
    input  wire                      stat,
    input  wire                      apply,
    input  wire [5:0]                share,
    input  wire                      index_reset,
    // beat of mac_nest
    input  wire                      valid,
    input  wire [19:0]               addr,
    input  wire [19:0]               pos,
    input  wire [11:0]               i2,
    input  wire                      phase,
    input  wire                      first,
    input  wire                      last,
    input  wire                      result,
    input  wire [7:0]                cm,
    input  wire [15:0]               wb,
    // tap_table (looked up with `tap` in the cycle of the beat)
    input  wire [19:0]               tap_offset,
    input  wire [3:0]                tap_dx,
    input  wire                      tap_out,
    input  wire [11:0]               width,
    input  wire [19:0]               wsx,
    input  wire                      padded,
    input  wire [13:0]               pad,
    // memories
    output wire                      fm_re,
    output wire                      tm_re,
    output wire [13:0]               re_addr,
    input  wire [LANES*ACT_BITS-1:0] fm_word,
    input  wire [LANES*ACT_BITS-1:0] tm_word,
    input  wire                      fr_mem,
    output wire [16*LANES-1:0]       fr_word,
    output wire                      wbr_re,
    output wire [15:0]               wbr_addr,
    output wire [NT_AW-1:0]          nt_index,
    // stage 4
    output wire                      m_valid,
    output wire                      m_first,
    output wire                      m_last,
    output wire                      m_step_next,  // next cycle: of the last beat of a result
    output wire                      m_stat,
    output wire                      m_phase,
    output wire                      m_quad,
    output wire [7:0]                m_cm,
    // stage 7
    output wire [LANES*ACT_BITS-1:0] s_feat,
    output wire [15:0]               s_scalar,
    output wire [47:0]               s_extra,
    output wire                      s_stencil,
    output wire [3*LANES*ACT_BITS-1:0] s_words
);
    localparam LL = $clog2(LANES);
    // flags that travel with a beat: fill stencil macs quad mem stat phase first last result
    localparam FLAGS = 10;
    localparam LEAD = 12'd4;

    // Beats of the instruction before are still coming in the cycle after `load`.
    reg  [13:0] new_q;
    reg         mem_q;
    reg         taps_q;
    reg         macs_q;
    reg         quad_q;
    reg         stencil_q;
    reg         one_row_q;
    reg         stat_q;
    reg         apply_q;
    reg  [5:0]  share_q;

    always @(posedge clk) begin
        if (load) new_q <= {mem, taps, macs, quad, stencil, one_row, stat, apply, share};
        {mem_q, taps_q, macs_q, quad_q, stencil_q, one_row_q, stat_q, apply_q, share_q} <= new_q;
    end

    // stages 1 and 2: address
    reg         valid_1_q;
    reg         taps_1_q;
    reg  [19:0] addr_1_q;
    reg  [13:0] column_1_q;
    reg         out_1_q;
    reg  [FLAGS-1:0] flags_1_q;
    reg         fm_re_2_q;
    reg         tm_re_2_q;
    reg  [19:0] same_2_q, right_2_q, left_2_q;
    reg  [1:0]  turn_2_q;           // 0 the address, 1 right, 2 left of it, 3 pad
    reg  [FLAGS-1:0] flags_2_q;

    wire        fill = stencil_q && (i2 < LEAD || (phase && one_row_q));
    wire        below = column_1_q[13];
    wire        above = !column_1_q[13] && column_1_q[12:0] >= {1'b0, width};
    wire        outside = taps_1_q && padded && (below || above || out_1_q);
    wire [1:0]  turn = outside ? 2'd3 : !taps_1_q ? 2'd0 : {above, below};

    always @(posedge clk) begin
        addr_1_q <= (taps_q ? pos : addr) + (tap_offset & {20{taps_q}});
        column_1_q <= {2'b00, i2} + {{10{tap_dx[3]}}, tap_dx};
        taps_1_q <= taps_q;
        out_1_q <= tap_out;
        flags_1_q <= {fill, stencil_q, macs_q, quad_q, mem_q, stat_q, phase, first, last, result};
        same_2_q <= addr_1_q;
        right_2_q <= addr_1_q + wsx;
        left_2_q <= addr_1_q - wsx;
        turn_2_q <= turn;
        flags_2_q <= flags_1_q;
        valid_1_q <= valid;
        fm_re_2_q <= valid_1_q && !flags_1_q[5];
        tm_re_2_q <= valid_1_q && flags_1_q[5];
        if (rst) begin
            valid_1_q <= 1'b0;
            fm_re_2_q <= 1'b0;
            tm_re_2_q <= 1'b0;
        end
    end

    assign fm_re = fm_re_2_q;
    assign tm_re = tm_re_2_q;
    wire [19:0] addr_2 = turn_2_q == 2'd0 ? same_2_q : turn_2_q == 2'd1 ? right_2_q
        : turn_2_q == 2'd2 ? left_2_q : {6'd0, pad};
    wire [27:0] element = {8'd0, addr_2};

    assign re_addr = flags_2_q[7] ? element[LL+13:LL] : element[13:0];

    // LNAPPLY: table index, counted per result
    reg  [5:0]       shared_q;
    reg  [NT_AW-1:0] index_q;
    wire             index_step = valid && apply_q && result;

    always @(posedge clk) begin
        if (index_step) begin
            shared_q <= shared_q == share_q ? 6'd0 : shared_q + 6'd1;
            if (shared_q == share_q) index_q <= index_q + {{NT_AW-1{1'b0}}, 1'b1};
        end
        if (rst || index_reset) begin
            shared_q <= 6'd0;
            index_q <= {NT_AW{1'b0}};
        end
    end

    // stages 3 and 4: the beat is announced
    reg              beat_3_q, beat_4_q, valid_4_q;
    reg  [FLAGS-1:0] flags_3_q, flags_4_q;
    reg  [LL-1:0]    lane_3_q, lane_4_q;
    reg              mem_3_q, mem_4_q;

    always @(posedge clk) begin
        beat_3_q <= fm_re_2_q || tm_re_2_q;
        beat_4_q <= beat_3_q;
        valid_4_q <= beat_3_q && !flags_3_q[9];
        flags_3_q <= flags_2_q;
        flags_4_q <= flags_3_q;
        mem_3_q <= fm_re_2_q || tm_re_2_q ? tm_re_2_q : fr_mem;
        mem_4_q <= mem_3_q;
        lane_3_q <= addr_2[LL-1:0];
        lane_4_q <= lane_3_q;
        if (rst) begin
            beat_3_q <= 1'b0;
            beat_4_q <= 1'b0;
            valid_4_q <= 1'b0;
        end
    end

    assign m_valid = valid_4_q;
    assign m_step_next = beat_3_q && !flags_3_q[9] && flags_3_q[0];
    assign {m_stat, m_phase, m_first, m_last} = flags_4_q[4:1];
    assign m_quad = flags_4_q[6];

    delay_line #(.WIDTH(16), .DEPTH(5), .RESET(0)) u_wb (
        .clk(clk), .rst(rst), .d(wb), .q(wbr_addr)
    );
    delay_line #(.WIDTH(NT_AW), .DEPTH(4), .RESET(0)) u_index (
        .clk(clk), .rst(rst), .d(index_q), .q(nt_index)
    );
    delay_line #(.WIDTH(8), .DEPTH(4), .RESET(0)) u_cm (.clk(clk), .rst(rst), .d(cm), .q(m_cm));

    // stages 5 to 7
    reg              beat_5_q, beat_6_q, wbr_re_5_q;
    reg  [FLAGS-1:0] flags_5_q;
    reg  [LL-1:0]    lane_5_q;
    wire             mem_5;
    wire [LL-1:0]    lane_6;
    wire [2:0]       kind_6;        // {stencil, macs, quad}
    reg              stencil_7_q;
    reg  [LANES*ACT_BITS-1:0] word_6_q, feat_7_q;
    reg  [ACT_BITS-1:0] scalar_7_q;
    reg  [3*ACT_BITS-1:0] extra_7_q;

    always @(posedge clk) begin
        beat_5_q <= beat_4_q;
        wbr_re_5_q <= beat_4_q && flags_4_q[7] && !flags_4_q[6];
        beat_6_q <= beat_5_q;
        flags_5_q <= flags_4_q;
        lane_5_q <= lane_4_q;
        if (rst) begin
            beat_5_q <= 1'b0;
            wbr_re_5_q <= 1'b0;
            beat_6_q <= 1'b0;
        end
    end

    register_copy #(.WIDTH(1)) u_mem (.clk(clk), .d(mem_4_q), .q(mem_5));
    register_copy #(.WIDTH(LL)) u_lane (.clk(clk), .d(lane_5_q), .q(lane_6));
    register_copy #(.WIDTH(3)) u_kind (.clk(clk), .d(flags_5_q[8:6]), .q(kind_6));

    stencil_memory #(.LANES(LANES), .ACT_BITS(ACT_BITS)) u_stencil (
        .clk(clk), .rst(rst), .beat(beat_5_q && flags_5_q[8]), .row(flags_5_q[3]),
        .first(flags_5_q[2]), .third(flags_5_q[1]), .word(feat_7_q), .words(s_words)
    );

    wire [4*ACT_BITS-1:0] four_6 = word_6_q[lane_6[LL-1:2]*4*ACT_BITS +: 4*ACT_BITS];
    wire [ACT_BITS-1:0] second_6 = lane_6[1] ? four_6[3*ACT_BITS +: ACT_BITS]
        : four_6[ACT_BITS +: ACT_BITS];

    always @(posedge clk) begin
        word_6_q <= mem_5 ? tm_word : fm_word;
        feat_7_q <= word_6_q;
        scalar_7_q <= four_6[lane_6[1:0]*ACT_BITS +: ACT_BITS];
        extra_7_q <= {four_6[2*ACT_BITS +: 2*ACT_BITS], second_6};
        if (!(beat_6_q && kind_6[1])) extra_7_q[0 +: ACT_BITS] <= {ACT_BITS{1'b0}};
        if (!(beat_6_q && kind_6[0])) extra_7_q[ACT_BITS +: 2*ACT_BITS] <= {2*ACT_BITS{1'b0}};
        stencil_7_q <= beat_6_q && kind_6[2];
    end

    wire [15+ACT_BITS:0] scalar = {{16{scalar_7_q[ACT_BITS-1]}}, scalar_7_q};
    wire unused = &{1'b0, element, scalar, flags_5_q};
    genvar k;
    generate
        for (k = 0; k < 3; k = k + 1) begin : gen_extra
            wire [15+ACT_BITS:0] wide = {{16{extra_7_q[(k+1)*ACT_BITS-1]}},
                extra_7_q[k*ACT_BITS +: ACT_BITS]};
            wire unused_wide = &{1'b0, wide};
            assign s_extra[16*k +: 16] = wide[15:0];
        end
    endgenerate

    generate
        for (k = 0; k < LANES; k = k + 1) begin : gen_fr
            assign fr_word[16*k +: ACT_BITS] = word_6_q[ACT_BITS*k +: ACT_BITS];
            if (ACT_BITS < 16) begin : gen_sign
                assign fr_word[16*k + ACT_BITS +: 16 - ACT_BITS] =
                    {16 - ACT_BITS{word_6_q[ACT_BITS*(k+1)-1]}};
            end
        end
    endgenerate

    assign s_feat = feat_7_q;
    assign s_stencil = stencil_7_q;
    assign s_scalar = scalar[15:0];
    assign wbr_re = wbr_re_5_q;
endmodule
`default_nettype wire
