// compute_decode: takes compute instructions from the queue and prepares the oldest one.
//
// Two registers: A holds the word as it came, B the instruction with its derived steps (xd times
// a stride) and the outcome of its waits. B is the instruction to issue next; `take` frees it at
// the end of its cycle. A few values are sums of B's fields and there one cycle behind them (an
// instruction is in B for two cycles at least).
// wait_dma, wait_ldw: (retired - wait) mod 2**16 < 2**15, registered, of A and of B: b_wait_ok is
// high from the cycle after the count was reached. wait_cmp has no meaning here (the queue is in
// order).
//
// Latency: a word accepted in cycle t is in B from cycle t + 2; one instruction per cycle.
// Fields come from the decoders (hwgen/units/decode.py); the sources' and SET's payloads are
// decoded where they are used, from b_word.
// Names: i_* the queue; a_* fields of A, and so are those that only the derived steps need (is_*,
// xd, cm_mask, cm_s2, pre_s2 .. bit_s2, taps, stencil); b_* belongs to B, and so do the fields
// that are passed on packed (pre_en, pre_base, pre_s3 .., sh1 .. pool_pos). *_ahead_*: retired
// - wait.
// Reset: control only. Cost: about 450 LUTs, 1,200 flip-flops.
`default_nettype none
// verilator lint_off PINCONNECTEMPTY
// (a decoder has all fields of its group; a unit leaves open those that it does not need)
module compute_decode (
    input  wire         clk,
    input  wire         rst,
    // queue
    input  wire         i_valid,
    input  wire [511:0] i_word,
    output wire         i_ready,
    input  wire [15:0]  retired_dma,
    input  wire [15:0]  retired_ldw,
    input  wire [13:0]  taps_sx,      // of the last SET taps
    // the prepared instruction
    output wire         holds,        // an instruction is in A or B
    output wire         b_valid,
    output wire         b_wait_ok,
    input  wire         take,
    output wire [51:0]  head,         // its {wait_cmp, wait_ldw, wait_dma, op}
    output wire [511:0] b_word,
    output reg          b_set,
    output reg          b_xnor,       // XLIN, XCONV
    output reg          b_conv,
    output reg          b_att,
    output reg          b_mac,        // MACV, MACS, LNSTAT, LNAPPLY
    output reg          b_macs,
    output reg          b_stat,
    output reg          b_apply,
    output reg          b_set_taps,   // SET of ..
    output reg          b_set_att,
    output reg          b_set_norm,
    output reg          b_set_table,
    output reg          b_drain,      // not of a SET, nor is swap
    output reg          b_swap,
    output wire [11:0]  b_n0,
    output wire [7:0]   b_n1,
    output wire [11:0]  b_n2,
    output wire [11:0]  b_n3,
    output reg  [11:0]  b_mac_n2,     // levels 2 and 3 of the MAC nest (stencil: all its columns)
    output reg  [11:0]  b_mac_n3,     //   .. one cycle behind the fields
    output wire [2:0]   b_xd,
    output reg  [2:0]   b_last_phase, // phase_count of n2, and of the MAC nest's level 2
    output reg          b_one_x,      //   .. one cycle behind the fields
    output reg          b_one_phase,
    output reg          b_one_row,    // n3 = 1
    output reg  [2:0]   b_mac_last_phase,
    output reg          b_mac_one_x,
    output reg          b_mac_one_phase,
    output reg          b_mac_one_row,
    output wire [7:0]   b_cm_base,
    output wire [7:0]   b_cm_s0,
    output wire [7:0]   b_cm_s1,
    output wire [15:0]  b_wb,         // MACS: first word of its weights
    output wire [7:0]   b_cm_mask,
    output reg  [7:0]   b_cm_x,       // step of (i2 & cm_mask) cm_s2 when i2 grows by xd,
    output reg  [7:0]   b_cm_1,       //   .. by 1,
    output reg  [7:0]   b_cm_wrap,    //   .. and what it loses when the masked value wraps
    output wire [7:0]   b_om_base,
    output wire [5:0]   b_q_base,
    output wire [5:0]   b_q_mask,
    output wire [57:0]  b_pre,        // {xd s2, s3, s2, base, mem, en}
    output wire [57:0]  b_mid,
    output wire [57:0]  b_out,
    output wire [57:0]  b_dst,
    output wire [64:0]  b_bit,        // {xd s2, s3, s2, base, en}
    output wire [20:0]  b_modes,      // {chords, sh3, aff, sh2, rp, sh1, bit_y3, max}
    output wire [4:0]   b_pool,       // {pool_pos, pool}
    output wire         b_psum_first,
    output wire         b_psum_last,
    output reg  [19:0]  b_src_s1,     // MAC: strides as they apply (taps: 0 and sx)
    output reg  [19:0]  b_src_s2,
    output reg  [19:0]  b_src_x2      // xd times src_s2, one cycle behind the fields
);
    localparam LEAD = 12'd4;  // columns of a stencil before its first result

    reg          a_valid_q;
    reg  [511:0] a_q;
    reg          b_valid_q;
    reg          b_ok_q;
    reg  [511:0] b_q;
    reg  [13:0]  b_pre_x2;
    reg  [13:0]  b_mid_x2;
    reg  [13:0]  b_out_x2;
    reg  [13:0]  b_dst_x2;
    reg  [15:0]  b_bit_x2;

    wire         load_b = a_valid_q && (!b_valid_q || take);

    // ---- fields of A
    wire [15:0]  a_wait_dma, a_wait_ldw;
    wire         is_set, is_xlin, is_xconv, is_macv, is_macs, is_att, is_lnstat, is_lnapply;
    wire         is_taps, is_kappa, is_norm, is_table, drain, swap;
    wire [2:0]   xd;
    wire [7:0]   cm_mask, cm_s2;
    wire [13:0]  pre_s2, mid_s2, out_s2, dst_s2;
    wire [15:0]  bit_s2;
    wire         taps;
    wire [17:0]  a_src_s1, a_src_s2;

    decode_header u_a_header (
        .word(a_q), .op(), .wait_dma(a_wait_dma), .wait_ldw(a_wait_ldw), .wait_cmp()
    );
    decode_cmp_op u_a_op (
        .word(a_q), .is_set(is_set), .is_xlin(is_xlin), .is_xconv(is_xconv), .is_macv(is_macv),
        .is_macs(is_macs), .is_att(is_att), .is_lnstat(is_lnstat), .is_lnapply(is_lnapply)
    );
    decode_nest u_a_nest (
        .word(a_q), .drain(drain), .swap(swap), .n0(), .n1(), .n2(), .n3(), .xd(xd)
    );
    decode_set u_a_set (
        .word(a_q), .is_taps(is_taps), .is_att(is_kappa), .is_norm(is_norm), .is_table(is_table)
    );
    decode_slots u_a_slots (
        .word(a_q), .cm_base(), .cm_s0(), .cm_s1(), .cm_mask(cm_mask), .cm_s2(cm_s2), .om_base(),
        .q_base(), .q_mask(), .wb_w()
    );
    decode_streams u_a_streams (
        .word(a_q),
        .pre_en(), .pre_mem(), .pre_base(), .pre_s2(pre_s2), .pre_s3(),
        .mid_en(), .mid_mem(), .mid_base(), .mid_s2(mid_s2), .mid_s3(),
        .out_en(), .out_mem(), .out_base(), .out_s2(out_s2), .out_s3(),
        .dst_en(), .dst_mem(), .dst_base(), .dst_s2(dst_s2), .dst_s3(),
        .bit_en(), .bit_y3(), .bit_base(), .bit_s2(bit_s2), .bit_s3()
    );
    decode_mac u_a_mac (
        .word(a_q), .src_mem(), .src_taps(taps), .src_base(), .src_s0(), .src_s1(a_src_s1),
        .src_s2(a_src_s2), .src_s3(), .quad(), .stencil()
    );

    // ---- fields of B
    wire [3:0]   b_op;
    wire [15:0]  b_wait_dma, b_wait_ldw, b_wait_cmp;
    wire [5:0]   b_cm_s1_field;
    wire         pre_en, pre_mem, mid_en, mid_mem, out_en, out_mem, dst_en, dst_mem, bit_en, bit_y3;
    wire [13:0]  pre_base, b_pre_s2, pre_s3, mid_base, b_mid_s2, mid_s3;
    wire [13:0]  out_base, b_out_s2, out_s3, dst_base, b_dst_s2, dst_s3;
    wire [15:0]  bit_base, b_bit_s2, bit_s3;
    wire [5:0]   sh1;
    wire         rp, aff, chords, max;
    wire [4:0]   sh2, sh3;
    wire [1:0]   pool;
    wire [2:0]   pool_pos;
    wire         b_stencil;

    decode_header u_header (
        .word(b_q), .op(b_op), .wait_dma(b_wait_dma), .wait_ldw(b_wait_ldw), .wait_cmp(b_wait_cmp)
    );
    decode_nest u_nest (
        .word(b_q), .drain(), .swap(), .n0(b_n0), .n1(b_n1), .n2(b_n2), .n3(b_n3), .xd(b_xd)
    );
    decode_slots u_slots (
        .word(b_q), .cm_base(b_cm_base), .cm_s0(b_cm_s0), .cm_s1(b_cm_s1_field),
        .cm_mask(b_cm_mask), .cm_s2(), .om_base(b_om_base), .q_base(b_q_base), .q_mask(b_q_mask),
        .wb_w(b_wb)
    );
    decode_streams u_streams (
        .word(b_q),
        .pre_en(pre_en), .pre_mem(pre_mem), .pre_base(pre_base), .pre_s2(b_pre_s2), .pre_s3(pre_s3),
        .mid_en(mid_en), .mid_mem(mid_mem), .mid_base(mid_base), .mid_s2(b_mid_s2), .mid_s3(mid_s3),
        .out_en(out_en), .out_mem(out_mem), .out_base(out_base), .out_s2(b_out_s2), .out_s3(out_s3),
        .dst_en(dst_en), .dst_mem(dst_mem), .dst_base(dst_base), .dst_s2(b_dst_s2), .dst_s3(dst_s3),
        .bit_en(bit_en), .bit_y3(bit_y3), .bit_base(bit_base), .bit_s2(b_bit_s2), .bit_s3(bit_s3)
    );
    decode_modes u_modes (
        .word(b_q), .sh1(sh1), .rp(rp), .sh2(sh2), .aff(aff), .sh3(sh3), .chords(chords), .max(max),
        .pool(pool), .pool_pos(pool_pos), .psum_first(b_psum_first), .psum_last(b_psum_last)
    );

    decode_mac u_mac (
        .word(b_q), .src_mem(), .src_taps(), .src_base(), .src_s0(), .src_s1(), .src_s2(),
        .src_s3(), .quad(), .stencil(b_stencil)
    );

    // waits
    wire [15:0]  a_ahead_dma = retired_dma - a_wait_dma;
    wire [15:0]  a_ahead_ldw = retired_ldw - a_wait_ldw;
    wire [15:0]  b_ahead_dma = retired_dma - b_wait_dma;
    wire [15:0]  b_ahead_ldw = retired_ldw - b_wait_ldw;
    wire         a_reached = !a_ahead_dma[15] && !a_ahead_ldw[15];
    wire         b_reached = !b_ahead_dma[15] && !b_ahead_ldw[15];

    // steps of the result streams
    wire [13:0]  pre_x2, mid_x2, out_x2, dst_x2;
    wire [15:0]  bit_x2;

    times_xd #(.WIDTH(14)) u_pre (.s(pre_s2), .xd(xd), .y(pre_x2));
    times_xd #(.WIDTH(14)) u_mid (.s(mid_s2), .xd(xd), .y(mid_x2));
    times_xd #(.WIDTH(14)) u_out (.s(out_s2), .xd(xd), .y(out_x2));
    times_xd #(.WIDTH(14)) u_dst (.s(dst_s2), .xd(xd), .y(dst_x2));
    times_xd #(.WIDTH(16)) u_bit (.s(bit_s2), .xd(xd), .y(bit_x2));

    // steps of the source: with taps, level 2 moves by sx and level 1 does not move
    // (no reset of the upper bits: it would wait for what enables the register)
    wire [19:0]  src_s2 = ({20{taps}} & {6'd0, taps_sx})
        | ({20{!taps}} & {{2{a_src_s2[17]}}, a_src_s2});
    wire [19:0]  src_s1 = {{2{a_src_s1[17]}}, a_src_s1};
    wire [19:0]  src_x2;
    reg          b_taps;
    reg  [19:0]  b_s1;

    times_xd #(.WIDTH(20)) u_src (.s(b_src_s2), .xd(b_xd), .y(src_x2));

    // cm_mask = 2**k - 1: the masked i2 wraps after 2**k, which costs cm_s2 2**k
    reg  [2:0]   b_xm;          // xd & cm_mask
    reg  [7:0]   b_cm_s2;
    wire [7:0]   cm_x;
    wire [7:0]   cm_wrap;
    wire [7:0]   wrap_at = {cm_mask[6:0], 1'b1} & ~cm_mask;  // cm_mask + 1

    times_xd #(.WIDTH(8)) u_cm (.s(b_cm_s2), .xd(b_xm), .y(cm_x));

    assign cm_wrap = (cm_s2 & {8{wrap_at[0]}})
        | ({cm_s2[6:0], 1'd0} & {8{wrap_at[1]}})
        | ({cm_s2[5:0], 2'd0} & {8{wrap_at[2]}})
        | ({cm_s2[4:0], 3'd0} & {8{wrap_at[3]}})
        | ({cm_s2[3:0], 4'd0} & {8{wrap_at[4]}})
        | ({cm_s2[2:0], 5'd0} & {8{wrap_at[5]}})
        | ({cm_s2[1:0], 6'd0} & {8{wrap_at[6]}})
        | ({cm_s2[0], 7'd0} & {8{wrap_at[7]}});

    // ---- one cycle behind B. A stencil has xd = 1 and more columns than that.
    wire [2:0]   last_phase;
    wire         one_x, one_phase;
    wire         one_row = b_n3 == 12'd1;

    phase_count u_phases (
        .n2(b_n2), .xd(b_xd), .last_phase(last_phase), .one_x(one_x), .one_phase(one_phase)
    );

    always @(posedge clk) begin
        b_last_phase <= last_phase;
        b_one_x <= one_x;
        b_one_phase <= one_phase;
        b_one_row <= one_row;
        b_mac_last_phase <= last_phase & {3{!b_stencil}};
        b_mac_one_x <= one_x && !b_stencil;
        b_mac_one_phase <= one_phase || b_stencil;
        b_mac_one_row <= one_row || b_stencil;
        b_mac_n2 <= b_stencil ? b_n3 + LEAD : b_n2;
        b_mac_n3 <= b_stencil ? 12'd1 : b_n3;
        b_src_s1 <= b_taps ? 20'd0 : b_s1;
        b_src_x2 <= src_x2;
        b_cm_x <= cm_x;
    end

    // (for the queue from registers of its own: within, it enables all of A)
    wire         a_next = !a_valid_q || load_b;
    wire         a_valid_d = i_valid || !a_next;
    wire         b_valid_d = load_b || (b_valid_q && !take);
    wire         a_full, b_full;

    register_copy #(.WIDTH(2)) u_full (
        .clk(clk), .d({a_valid_d && !rst, b_valid_d && !rst}), .q({a_full, b_full})
    );

    assign i_ready = !a_full || !b_full || take;
    assign holds = a_valid_q || b_valid_q;
    assign b_valid = b_valid_q;
    assign b_wait_ok = b_ok_q;

    always @(posedge clk) begin
        if (a_next) a_q <= i_word;
        if (load_b) begin
            b_q <= a_q;
            b_set <= is_set;
            b_set_taps <= is_set && is_taps;
            b_set_att <= is_set && is_kappa;
            b_set_norm <= is_set && is_norm;
            b_set_table <= is_set && is_table;
            b_drain <= drain && !is_set;
            b_swap <= swap && !is_set;
            b_xnor <= is_xlin || is_xconv;
            b_conv <= is_xconv;
            b_att <= is_att;
            b_mac <= is_macv || is_macs || is_lnstat || is_lnapply;
            b_macs <= is_macs;
            b_stat <= is_lnstat;
            b_apply <= is_lnapply;
            b_pre_x2 <= pre_x2;
            b_mid_x2 <= mid_x2;
            b_out_x2 <= out_x2;
            b_dst_x2 <= dst_x2;
            b_bit_x2 <= bit_x2;
            b_taps <= taps;
            b_s1 <= src_s1;
            b_src_s2 <= src_s2;
            b_xm <= xd & cm_mask[2:0];
            b_cm_s2 <= cm_s2;
            b_cm_1 <= cm_s2 & {8{cm_mask[0]}};
            b_cm_wrap <= cm_wrap;
        end
        b_ok_q <= load_b ? a_reached : b_reached || b_ok_q;
        a_valid_q <= a_valid_d;
        b_valid_q <= b_valid_d;
        if (rst) begin
            a_valid_q <= 1'b0;
            b_valid_q <= 1'b0;
            b_ok_q <= 1'b0;
        end
    end

    assign head = {b_wait_cmp, b_wait_ldw, b_wait_dma, b_op};
    assign b_word = b_q;
    assign b_cm_s1 = {2'd0, b_cm_s1_field};
    assign b_pre = {b_pre_x2, pre_s3, b_pre_s2, pre_base, pre_mem, pre_en};
    assign b_mid = {b_mid_x2, mid_s3, b_mid_s2, mid_base, mid_mem, mid_en};
    assign b_out = {b_out_x2, out_s3, b_out_s2, out_base, out_mem, out_en};
    assign b_dst = {b_dst_x2, dst_s3, b_dst_s2, dst_base, dst_mem, dst_en};
    assign b_bit = {b_bit_x2, bit_s3, b_bit_s2, bit_base, bit_en};
    assign b_modes = {chords, sh3, aff, sh2, rp, sh1, bit_y3, max};
    assign b_pool = {pool_pos, pool};

    wire unused = &{1'b0, a_ahead_dma, a_ahead_ldw, b_ahead_dma, b_ahead_ldw};
endmodule
// verilator lint_on PINCONNECTEMPTY
`default_nettype wire
