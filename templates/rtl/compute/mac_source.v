// mac_source: from a beat of mac_nest to the stage-0 inputs of the lanes, SOURCE = 6 cycles later.
//
//   stage 1  taps: addr = pos + offset[tap], column = i2 + dx[tap]
//   stage 2  taps: addr -/+ width sx when the column is outside [0, width), or, when padded, the
//            word pad then and for taps with tap_out; memory read request
//   stage 3  m_*: the beat is announced
//   stage 4  WB read request
//   stage 5  words at the memories' outputs
//   stage 6  in_feat, in_scalar, in_extra: stage 0 of the lanes
//
// MACS: addr counts elements, word = addr / LANES, lane = addr mod LANES. A beat takes two
// elements, addr and addr | 1, in s_scalar and the first of s_extra; with quad four, addr (a
// multiple of 4) ..
// addr + 3. What an instruction does not take is 0 in s_extra.
// stencil: beats whose words only fill the stencil memory (of the first LEAD columns; of the second
// row when there is one_row) are not announced; s_words see stencil_memory.v.
// LNAPPLY reads table entry count / (share + 1), count = its results since `index_reset`; the index
// is at stage 3, so that the entry's shift is there with the beat's modes.
// Names: _1_q .. _6_q registers of stages 1 .. 6, _5 what is at stage 5; s_* stage 6. new_*: of the
// instruction that was loaded; its first beat is still to come.
// One beat per cycle. Reset: control only. Cost: LANES x ACT_BITS + 300 flip-flops, two 20-bit
// adders, LANES x ACT_BITS / 2 LUTs of memory select, eight LANES / 4 : 1 multiplexers of ACT_BITS,
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
    output wire                      wbr_re,
    output wire [15:0]               wbr_addr,
    output wire [NT_AW-1:0]          nt_index,
    // stage 3
    output wire                      m_valid,
    output wire                      m_first,
    output wire                      m_last,
    output wire                      m_step,     // .. of the last beat of a result
    output wire                      m_stat,
    output wire                      m_phase,
    output wire                      m_quad,
    output wire [7:0]                m_cm,
    // stage 6
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
    reg  [19:0] addr_2_q;
    reg  [FLAGS-1:0] flags_2_q;

    wire        fill = stencil_q && (i2 < LEAD || (phase && one_row_q));
    wire        below = column_1_q[13];
    wire        above = !column_1_q[13] && column_1_q[12:0] >= {1'b0, width};
    wire        outside = taps_1_q && padded && (below || above || out_1_q);
    wire [1:0]  turn = outside ? 2'd3 : !taps_1_q ? 2'd0 : {above, below};
    wire [19:0] right = addr_1_q + wsx;
    wire [19:0] left = addr_1_q - wsx;

    always @(posedge clk) begin
        addr_1_q <= (taps_q ? pos : addr) + (tap_offset & {20{taps_q}});
        column_1_q <= {2'b00, i2} + {{10{tap_dx[3]}}, tap_dx};
        taps_1_q <= taps_q;
        out_1_q <= tap_out;
        flags_1_q <= {fill, stencil_q, macs_q, quad_q, mem_q, stat_q, phase, first, last, result};
        addr_2_q <= turn == 2'd0 ? addr_1_q : turn == 2'd1 ? right : turn == 2'd2 ? left
            : {6'd0, pad};
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
    wire [27:0] element = {8'd0, addr_2_q};

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

    // stage 3: the beat is announced
    reg              beat_3_q;
    reg              valid_3_q;
    reg              step_3_q;
    reg  [FLAGS-1:0] flags_3_q;
    reg  [LL-1:0]    lane_3_q;

    always @(posedge clk) begin
        beat_3_q <= fm_re_2_q || tm_re_2_q;
        valid_3_q <= (fm_re_2_q || tm_re_2_q) && !flags_2_q[9];
        step_3_q <= (fm_re_2_q || tm_re_2_q) && !flags_2_q[9] && flags_2_q[0];
        flags_3_q <= flags_2_q;
        lane_3_q <= addr_2_q[LL-1:0];
        if (rst) begin
            beat_3_q <= 1'b0;
            valid_3_q <= 1'b0;
            step_3_q <= 1'b0;
        end
    end

    assign m_valid = valid_3_q;
    assign m_step = step_3_q;
    assign {m_stat, m_phase, m_first, m_last} = flags_3_q[4:1];
    assign m_quad = flags_3_q[6];

    delay_line #(.WIDTH(16), .DEPTH(4), .RESET(0)) u_wb (
        .clk(clk), .rst(rst), .d(wb), .q(wbr_addr)
    );
    delay_line #(.WIDTH(NT_AW), .DEPTH(3), .RESET(0)) u_index (
        .clk(clk), .rst(rst), .d(index_q), .q(nt_index)
    );
    delay_line #(.WIDTH(8), .DEPTH(3), .RESET(0)) u_cm (.clk(clk), .rst(rst), .d(cm), .q(m_cm));

    // stages 4 to 6
    reg              beat_4_q, beat_5_q, wbr_re_4_q;
    reg  [FLAGS-1:0] flags_4_q;
    reg  [LL-1:0]    lane_4_q;
    wire [LL-1:0]    fm_lane_5, tm_lane_5;  // a copy for each memory's word
    wire [4:0]       kind_5;                // {stencil, macs, quad, mem; mem of the whole word}
    reg              stencil_6_q;
    reg  [LANES*ACT_BITS-1:0] feat_6_q;
    reg  [ACT_BITS-1:0] scalar_6_q;
    reg  [3*ACT_BITS-1:0] extra_6_q;

    always @(posedge clk) begin
        beat_4_q <= beat_3_q;
        wbr_re_4_q <= beat_3_q && flags_3_q[7] && !flags_3_q[6];
        beat_5_q <= beat_4_q;
        flags_4_q <= flags_3_q;
        lane_4_q <= lane_3_q;
        if (rst) begin
            beat_4_q <= 1'b0;
            wbr_re_4_q <= 1'b0;
            beat_5_q <= 1'b0;
        end
    end

    register_copy #(.WIDTH(LL)) u_fm_lane (.clk(clk), .d(lane_4_q), .q(fm_lane_5));
    register_copy #(.WIDTH(LL)) u_tm_lane (.clk(clk), .d(lane_4_q), .q(tm_lane_5));
    register_copy #(.WIDTH(4)) u_kind (.clk(clk), .d(flags_4_q[8:5]), .q(kind_5[4:1]));
    register_copy #(.WIDTH(1)) u_mem (.clk(clk), .d(flags_4_q[5]), .q(kind_5[0]));

    stencil_memory #(.LANES(LANES), .ACT_BITS(ACT_BITS)) u_stencil (
        .clk(clk), .rst(rst), .beat(beat_4_q && flags_4_q[8]), .row(flags_4_q[3]),
        .first(flags_4_q[2]), .third(flags_4_q[1]), .word(feat_6_q), .words(s_words)
    );

    // four elements of either memory's word, so that the memory is chosen last
    wire [4*ACT_BITS-1:0] fm_four = fm_word[fm_lane_5[LL-1:2]*4*ACT_BITS +: 4*ACT_BITS];
    wire [4*ACT_BITS-1:0] tm_four = tm_word[tm_lane_5[LL-1:2]*4*ACT_BITS +: 4*ACT_BITS];
    wire [4*ACT_BITS-1:0] four_5 = kind_5[1] ? tm_four : fm_four;
    wire [ACT_BITS-1:0] second_5 = fm_lane_5[1] ? four_5[3*ACT_BITS +: ACT_BITS]
        : four_5[ACT_BITS +: ACT_BITS];

    always @(posedge clk) begin
        feat_6_q <= kind_5[0] ? tm_word : fm_word;
        scalar_6_q <= four_5[fm_lane_5[1:0]*ACT_BITS +: ACT_BITS];
        extra_6_q <= {four_5[2*ACT_BITS +: 2*ACT_BITS], second_5};
        if (!(beat_5_q && kind_5[3])) extra_6_q[0 +: ACT_BITS] <= {ACT_BITS{1'b0}};
        if (!(beat_5_q && kind_5[2])) extra_6_q[ACT_BITS +: 2*ACT_BITS] <= {2*ACT_BITS{1'b0}};
        stencil_6_q <= beat_5_q && kind_5[4];
    end

    wire [15+ACT_BITS:0] scalar = {{16{scalar_6_q[ACT_BITS-1]}}, scalar_6_q};
    wire unused = &{1'b0, element, scalar, flags_3_q[0], flags_4_q[9:9], flags_4_q[4], flags_4_q[0], tm_lane_5[1:0]};
    genvar k;
    generate
        for (k = 0; k < 3; k = k + 1) begin : gen_extra
            wire [15+ACT_BITS:0] wide = {{16{extra_6_q[(k+1)*ACT_BITS-1]}},
                extra_6_q[k*ACT_BITS +: ACT_BITS]};
            wire unused_wide = &{1'b0, wide};
            assign s_extra[16*k +: 16] = wide[15:0];
        end
    endgenerate

    assign s_feat = feat_6_q;
    assign s_stencil = stencil_6_q;
    assign s_scalar = scalar[15:0];
    assign wbr_re = wbr_re_4_q;
endmodule
`default_nettype wire
