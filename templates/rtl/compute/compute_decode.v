// compute_decode: takes compute instructions from the queue and prepares the oldest one.
//
// Two registers: A holds the word as it came, B the instruction with its derived steps (xd times
// a stride) and the outcome of its waits. B is the instruction to issue next; `take` frees it.
// wait_dma, wait_ldw: (retired - wait) mod 2**16 < 2**15, registered: an instruction may go in the
// cycle after its count was reached. wait_cmp has no meaning here (the queue is in order).
//
// Latency: a word accepted in cycle t can be taken from cycle t + 2; one instruction per cycle.
// Field positions are those of hwgen/engine/isa.py (a test compares them).
// Reset: control only. Cost: about 1,100 flip-flops, 16 adders of up to 20 bits.
`default_nettype none
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
    output wire [51:0]  head,         // its header
    output reg          b_set,
    output reg          b_xnor,       // XLIN, XCONV
    output reg          b_conv,
    output reg          b_att,
    output reg          b_mac,        // MACV, MACS, LNSTAT, LNAPPLY
    output reg          b_macs,
    output reg          b_stat,
    output reg          b_apply,
    output wire [1:0]   b_kind,       // of SET
    output wire [383:0] b_payload,    // of SET
    output wire         b_drain,
    output wire         b_swap,
    output wire [11:0]  b_n0,
    output wire [7:0]   b_n1,
    output wire [11:0]  b_n2,
    output wire [11:0]  b_n3,
    output reg  [11:0]  b_mac_n2,     // levels 2 and 3 of the MAC nest (stencil: all its columns)
    output reg  [11:0]  b_mac_n3,
    output wire [2:0]   b_xd,
    output wire [7:0]   b_cm_base,
    output wire [7:0]   b_cm_s0,
    output wire [7:0]   b_cm_s1,
    output wire [15:0]  b_wb,         // MACS: first word of its weights
    output wire [7:0]   b_cm_mask,
    output reg  [7:0]   b_cm_x,       // step of (i2 & cm_mask) cm_s2 when i2 grows by xd,
    output reg  [7:0]   b_cm_x_wrap,  //   .. and the masked value wraps
    output reg  [7:0]   b_cm_1,       // the same when i2 grows by 1
    output reg  [7:0]   b_cm_1_wrap,
    output wire [7:0]   b_om_base,
    output wire [5:0]   b_q_base,
    output wire [5:0]   b_q_mask,
    output wire [57:0]  b_pre,        // {xd s2, s3, s2, base, mem, en}
    output wire [57:0]  b_mid,
    output wire [57:0]  b_out,
    output wire [57:0]  b_dst,
    output wire [64:0]  b_bit,        // {xd s2, s3, s2, base, en}
    output wire [20:0]  b_modes,      // {gelu, sh3, aff, sh2, rp, sh1, bit_y3, max}
    output wire [4:0]   b_pool,       // {pool_pos, pool}
    output wire         b_psum_first,
    output wire         b_psum_last,
    output wire [95:0]  b_source,     // the last 96 bits
    output reg  [19:0]  b_src_s1,     // MAC: strides as they apply (taps: 0 and sx)
    output reg  [19:0]  b_src_s2,
    output reg  [19:0]  b_src_x2      // xd times src_s2
);
    localparam OP_SET = 4'd8;
    localparam OP_XLIN = 4'd9;
    localparam OP_XCONV = 4'd10;
    localparam OP_MACV = 4'd11;
    localparam OP_MACS = 4'd12;
    localparam OP_ATT = 4'd13;
    localparam OP_LNSTAT = 4'd14;
    localparam OP_LNAPPLY = 4'd15;
    localparam I_OP = 0;
    localparam I_WAIT_DMA = 4;
    localparam I_WAIT_LDW = 20;
    localparam SET_KIND = 52;
    localparam C_DRAIN = 52;
    localparam C_SWAP = 53;
    localparam C_N0 = 54;
    localparam C_N1 = 66;
    localparam C_N2 = 74;
    localparam C_N3 = 86;
    localparam C_XD = 98;
    localparam C_CM_BASE = 101;
    localparam C_CM_S0 = 109;
    localparam C_CM_S1 = 117;
    localparam C_CM_MASK = 123;
    localparam C_CM_S2 = 131;
    localparam C_WB_W = 101;
    localparam C_OM_BASE = 139;
    localparam C_Q_BASE = 147;
    localparam C_Q_MASK = 153;
    localparam C_PRE_EN = 159;
    localparam C_PRE_S2 = 175;
    localparam C_MID_EN = 203;
    localparam C_MID_S2 = 219;
    localparam C_OUT_EN = 247;
    localparam C_OUT_S2 = 263;
    localparam C_DST_EN = 291;
    localparam C_DST_S2 = 307;
    localparam C_BIT_EN = 335;
    localparam C_BIT_Y3 = 336;
    localparam C_BIT_BASE = 337;
    localparam C_BIT_S2 = 353;
    localparam C_SH1 = 385;
    localparam C_RP = 391;
    localparam C_SH2 = 392;
    localparam C_AFF = 397;
    localparam C_SH3 = 398;
    localparam C_GELU = 403;
    localparam C_MAX = 404;
    localparam C_POOL = 405;
    localparam C_POOL_POS = 407;
    localparam C_PSUM_FIRST = 410;
    localparam C_PSUM_LAST = 411;
    localparam C_SRC_MEM = 416;
    localparam C_SRC_TAPS = 417;
    localparam C_SRC_S1 = 456;
    localparam C_SRC_S2 = 474;
    localparam C_STENCIL = 511;
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
    wire [3:0]   op = a_q[I_OP +: 4];
    wire [2:0]   xd = a_q[C_XD +: 3];
    wire [7:0]   cm_mask = a_q[C_CM_MASK +: 8];
    wire [7:0]   cm_s2 = a_q[C_CM_S2 +: 8];

    // waits
    wire [31:0]  waits = load_b ? a_q[I_WAIT_DMA +: 32] : b_q[I_WAIT_DMA +: 32];
    wire [15:0]  ahead_dma = retired_dma - waits[I_WAIT_DMA - I_WAIT_DMA +: 16];
    wire [15:0]  ahead_ldw = retired_ldw - waits[I_WAIT_LDW - I_WAIT_DMA +: 16];
    wire         reached = !ahead_dma[15] && !ahead_ldw[15];

    // steps of the result streams
    wire [13:0]  pre_x2, mid_x2, out_x2, dst_x2;
    wire [15:0]  bit_x2;

    times_xd #(.WIDTH(14)) u_pre (.s(a_q[C_PRE_S2 +: 14]), .xd(xd), .y(pre_x2));
    times_xd #(.WIDTH(14)) u_mid (.s(a_q[C_MID_S2 +: 14]), .xd(xd), .y(mid_x2));
    times_xd #(.WIDTH(14)) u_out (.s(a_q[C_OUT_S2 +: 14]), .xd(xd), .y(out_x2));
    times_xd #(.WIDTH(14)) u_dst (.s(a_q[C_DST_S2 +: 14]), .xd(xd), .y(dst_x2));
    times_xd #(.WIDTH(16)) u_bit (.s(a_q[C_BIT_S2 +: 16]), .xd(xd), .y(bit_x2));

    // steps of the source: with taps, level 2 moves by sx and level 1 does not move
    wire         taps = a_q[C_SRC_TAPS];
    wire [19:0]  src_s2 = taps ? {6'd0, taps_sx} : {{2{a_q[C_SRC_S2 + 17]}}, a_q[C_SRC_S2 +: 18]};
    wire [19:0]  src_s1 = taps ? 20'd0 : {{2{a_q[C_SRC_S1 + 17]}}, a_q[C_SRC_S1 +: 18]};
    wire [19:0]  src_x2;

    times_xd #(.WIDTH(20)) u_src (.s(src_s2), .xd(xd), .y(src_x2));

    // cm_mask = 2**k - 1: the masked i2 wraps after 2**k, which costs cm_s2 2**k
    wire [7:0]   cm_x;
    wire [7:0]   cm_1 = cm_s2 & {8{cm_mask[0]}};
    wire [7:0]   cm_wrap;
    wire [8:0]   wrap_at = {1'b0, cm_mask} + 9'd1;

    times_xd #(.WIDTH(8)) u_cm (.s(cm_s2), .xd(xd & cm_mask[2:0]), .y(cm_x));

    assign cm_wrap = (cm_s2 & {8{wrap_at[0]}})
        | ({cm_s2[6:0], 1'd0} & {8{wrap_at[1]}})
        | ({cm_s2[5:0], 2'd0} & {8{wrap_at[2]}})
        | ({cm_s2[4:0], 3'd0} & {8{wrap_at[3]}})
        | ({cm_s2[3:0], 4'd0} & {8{wrap_at[4]}})
        | ({cm_s2[2:0], 5'd0} & {8{wrap_at[5]}})
        | ({cm_s2[1:0], 6'd0} & {8{wrap_at[6]}})
        | ({cm_s2[0], 7'd0} & {8{wrap_at[7]}});

    assign i_ready = !a_valid_q || load_b;
    assign holds = a_valid_q || b_valid_q;
    assign b_valid = b_valid_q;
    assign b_wait_ok = b_ok_q;

    always @(posedge clk) begin
        if (i_ready) a_q <= i_word;
        if (load_b) begin
            b_q <= a_q;
            b_set <= op == OP_SET;
            b_xnor <= op == OP_XLIN || op == OP_XCONV;
            b_conv <= op == OP_XCONV;
            b_att <= op == OP_ATT;
            b_mac <= op == OP_MACV || op == OP_MACS || op == OP_LNSTAT || op == OP_LNAPPLY;
            b_macs <= op == OP_MACS;
            b_stat <= op == OP_LNSTAT;
            b_apply <= op == OP_LNAPPLY;
            b_pre_x2 <= pre_x2;
            b_mid_x2 <= mid_x2;
            b_out_x2 <= out_x2;
            b_dst_x2 <= dst_x2;
            b_bit_x2 <= bit_x2;
            b_mac_n2 <= a_q[C_STENCIL] ? a_q[C_N3 +: 12] + LEAD : a_q[C_N2 +: 12];
            b_mac_n3 <= a_q[C_STENCIL] ? 12'd1 : a_q[C_N3 +: 12];
            b_src_s1 <= src_s1;
            b_src_s2 <= src_s2;
            b_src_x2 <= src_x2;
            b_cm_x <= cm_x;
            b_cm_x_wrap <= cm_x - cm_wrap;
            b_cm_1 <= cm_1;
            b_cm_1_wrap <= cm_1 - cm_wrap;
        end
        b_ok_q <= reached || (b_ok_q && !load_b);
        a_valid_q <= i_valid || !i_ready;
        b_valid_q <= load_b || (b_valid_q && !take);
        if (rst) begin
            a_valid_q <= 1'b0;
            b_valid_q <= 1'b0;
            b_ok_q <= 1'b0;
        end
    end

    assign head = b_q[51:0];
    assign b_kind = b_q[SET_KIND +: 2];
    assign b_payload = b_q[511:128];
    assign b_drain = b_q[C_DRAIN];
    assign b_swap = b_q[C_SWAP];
    assign b_n0 = b_q[C_N0 +: 12];
    assign b_n1 = b_q[C_N1 +: 8];
    assign b_n2 = b_q[C_N2 +: 12];
    assign b_n3 = b_q[C_N3 +: 12];
    assign b_xd = b_q[C_XD +: 3];
    assign b_cm_base = b_q[C_CM_BASE +: 8];
    assign b_cm_s0 = b_q[C_CM_S0 +: 8];
    assign b_cm_s1 = {2'd0, b_q[C_CM_S1 +: 6]};
    assign b_wb = b_q[C_WB_W +: 16];
    assign b_cm_mask = b_q[C_CM_MASK +: 8];
    assign b_om_base = b_q[C_OM_BASE +: 8];
    assign b_q_base = b_q[C_Q_BASE +: 6];
    assign b_q_mask = b_q[C_Q_MASK +: 6];
    assign b_pre = {b_pre_x2, b_q[C_PRE_EN +: 44]};
    assign b_mid = {b_mid_x2, b_q[C_MID_EN +: 44]};
    assign b_out = {b_out_x2, b_q[C_OUT_EN +: 44]};
    assign b_dst = {b_dst_x2, b_q[C_DST_EN +: 44]};
    assign b_bit = {b_bit_x2, b_q[C_BIT_BASE +: 48], b_q[C_BIT_EN]};
    assign b_modes = {b_q[C_GELU], b_q[C_SH3 +: 5], b_q[C_AFF], b_q[C_SH2 +: 5], b_q[C_RP],
        b_q[C_SH1 +: 6], b_q[C_BIT_Y3], b_q[C_MAX]};
    assign b_pool = {b_q[C_POOL_POS +: 3], b_q[C_POOL +: 2]};
    assign b_psum_first = b_q[C_PSUM_FIRST];
    assign b_psum_last = b_q[C_PSUM_LAST];
    assign b_source = b_q[C_SRC_MEM +: 96];

    wire unused = &{1'b0, b_q[415:412], ahead_dma, ahead_ldw, wrap_at[8]};
endmodule
`default_nettype wire
