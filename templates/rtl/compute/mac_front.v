// mac_front: the source of MACV, MACS, LNSTAT and LNAPPLY, beside xnor_front and attention.
//
//   instruction --load--> mac_nest --n_*: a beat--> mac_source --s_*: the beat--> stage 0
//
// n_* belong to the cycle in which the nest issues a beat; its tap is looked up then. m_* are the
// same beat 4 cycles later, three before its words (s_*) are at stage 0 of the lanes. `free`: in
// the next cycle a load may come.
// Timing: load in cycle t -> beats at stage 0 in t + 9 .., one per cycle. Reset: control only.
// Cost: the two parts.
`default_nettype none
// verilator lint_off PINCONNECTEMPTY
// (a decoder has all fields of its group; two strides come as they apply)
module mac_front #(
    parameter LANES    = 16,
    parameter ACT_BITS = 16,
    parameter NT_AW    = 6
) (
    input  wire                        clk,
    input  wire                        rst,
    // instruction
    input  wire                        load,
    output wire                        free,
    input  wire [511:0]                word,
    input  wire                        macs,
    input  wire                        stat,
    input  wire                        apply,
    input  wire [11:0]                 n0,
    input  wire [7:0]                  n1,
    input  wire [11:0]                 n2,          // levels 2 and 3 as the nest has them
    input  wire [11:0]                 n3,
    input  wire                        one_row,     // of a stencil: a row of results
    input  wire [2:0]                  xd,
    input  wire [2:0]                  last_phase,  // phase_count of levels 2
    input  wire                        one_x,
    input  wire                        one_phase,
    input  wire                        one_n3,
    input  wire [19:0]                 s1,          // strides as they apply
    input  wire [19:0]                 s2,
    input  wire [19:0]                 x2,          // xd s2
    input  wire [7:0]                  cm_base,
    input  wire [7:0]                  cm_s0,
    input  wire [7:0]                  cm_s1,
    input  wire [15:0]                 wb_base,
    input  wire [5:0]                  share,
    input  wire                        index_reset,
    output wire                        stat_beat,   // LNSTAT issues a beat
    // tap_table
    output wire [3:0]                  tap_index,
    input  wire [19:0]                 tap_offset,
    input  wire [3:0]                  tap_dx,
    input  wire                        tap_out,
    input  wire [11:0]                 taps_width,
    input  wire [19:0]                 taps_wsx,
    input  wire                        taps_padded,
    input  wire [13:0]                 taps_pad,
    // memories
    output wire                        fm_re,
    output wire                        tm_re,
    output wire [13:0]                 re_addr,
    input  wire [LANES*ACT_BITS-1:0]   fm_word,
    input  wire [LANES*ACT_BITS-1:0]   tm_word,
    input  wire                        fr_mem,      // STORE: mac_source.v
    output wire [16*LANES-1:0]         fr_word,
    output wire                        wbr_re,
    output wire [15:0]                 wbr_addr,
    output wire [NT_AW-1:0]            nt_index,
    // three cycles before stage 0
    output wire                        m_valid,
    output wire                        m_first,
    output wire                        m_last,
    output wire                        m_step_next,
    output wire                        m_stat,
    output wire                        m_phase,
    output wire                        m_quad,
    output wire [7:0]                  m_cm,
    // stage 0
    output wire [LANES*ACT_BITS-1:0]   s_feat,
    output wire [15:0]                 s_scalar,
    output wire [47:0]                 s_extra,
    output wire                        s_stencil,
    output wire [3*LANES*ACT_BITS-1:0] s_words
);
    wire        mem, taps, quad, stencil;
    wire [19:0] base;
    wire [17:0] s0, s3;

    decode_mac u_mac (
        .word(word), .src_mem(mem), .src_taps(taps), .src_base(base), .src_s0(s0), .src_s1(),
        .src_s2(), .src_s3(s3), .quad(quad), .stencil(stencil)
    );

    wire        n_valid, n_phase, n_first, n_last, n_result;
    wire [19:0] n_addr, n_pos;
    wire [3:0]  n_tap;
    wire [11:0] n_i2;
    wire [7:0]  n_cm;
    wire [15:0] n_wb;

    mac_nest u_nest (
        .clk(clk), .rst(rst), .load(load), .n0(n0), .n1(n1), .n2(n2), .n3(n3), .xd(xd),
        .last_phase(last_phase), .one_x(one_x), .one_phase(one_phase),
        .one_row(one_n3),
        .base(base), .s0({{2{s0[17]}}, s0}), .s1(s1), .s2(s2), .s3({{2{s3[17]}}, s3}), .x2(x2),
        .cm_base(cm_base), .cm_s0(cm_s0), .cm_s1(cm_s1), .wb_base(wb_base), .stat(stat),
        .stencil(stencil), .free(free), .valid(n_valid), .addr(n_addr), .pos(n_pos),
        .tap(n_tap), .i2(n_i2), .phase(n_phase), .first(n_first), .last(n_last), .result(n_result),
        .stat_beat(stat_beat), .cm(n_cm), .wb(n_wb)
    );

    assign tap_index = n_tap;

    mac_source #(.LANES(LANES), .ACT_BITS(ACT_BITS), .NT_AW(NT_AW)) u_source (
        .clk(clk), .rst(rst), .load(load), .mem(mem), .taps(taps), .macs(macs),
        .quad(macs && quad), .stencil(stencil), .one_row(one_row), .stat(stat), .apply(apply),
        .share(share), .index_reset(index_reset),
        .valid(n_valid), .addr(n_addr), .pos(n_pos), .i2(n_i2), .phase(n_phase),
        .first(n_first), .last(n_last), .result(n_result), .cm(n_cm), .wb(n_wb),
        .tap_offset(tap_offset), .tap_dx(tap_dx), .tap_out(tap_out),
        .width(taps_width), .wsx(taps_wsx), .padded(taps_padded), .pad(taps_pad),
        .fm_re(fm_re), .tm_re(tm_re), .re_addr(re_addr), .fm_word(fm_word), .tm_word(tm_word),
        .fr_mem(fr_mem), .fr_word(fr_word),
        .wbr_re(wbr_re), .wbr_addr(wbr_addr), .nt_index(nt_index),
        .m_valid(m_valid), .m_first(m_first), .m_last(m_last), .m_step_next(m_step_next),
        .m_stat(m_stat), .m_phase(m_phase), .m_quad(m_quad), .m_cm(m_cm), .s_feat(s_feat),
        .s_scalar(s_scalar), .s_extra(s_extra), .s_stencil(s_stencil), .s_words(s_words)
    );
endmodule
// verilator lint_on PINCONNECTEMPTY
`default_nettype wire
