// activation_fetch: reads the bit memory and forms the activation vectors of XLIN and XCONV.
//
// Order of the results: i3 = 0 .. n3 - 1; within it x = 0, xd, 2 xd, .. (< n2), then 1, 1 + xd, ..
// XLIN (conv = 0): one row read per result; elements a_base + x a_s2 + i3 a_s3 .. (a_elems of them,
//   inside one row) go to columns 0 .. of all four quadrants, the other columns are 0; pattern 0.
// XCONV (conv = 1): 3x3 window of dilation xd around (y0 + i3, x). Token (x, y0 + i3 + dy xd) starts
//   at element a_base + x a_s2 + (i3 + dy xd) a_s3; quadrant q takes g_len x GU of its bits from bit
//   (g_base + (q >> g_qsh) g_step) x GU on, into columns (3 (dx + 1) + (dy + 1)) GS ..; bits outside
//   [0, height) x [0, width) are 0. pattern = {below, above, right, left outside}. n2 <= width.
//
// XCONV reads a column of three tokens in three cycles and shifts the taps by GS bits a read, so that
// neighbouring results of a phase share two columns. Outside columns are not read: the left one is
// masked, and when the one right of a phase's last result is outside, that result fires one cycle
// after its own column, beside the next read. With n2 < width an inside right column is read.
//
// Timing: start in cycle t (only while ready), the first read in t + 1. XLIN issues n2 n3 cycles,
// XCONV three per result, plus three per phase whose right column is inside, plus one when the very
// last right column is outside (hwgen/units/xnor_front.py has the formulas). ready is high again in
// the last of them. A vector is in `act` four cycles after the read that completed it.
// `w_swap` (while ready; earlier ones are held until then) gives `swap` four cycles later: vectors of
// this and later starts come after it, earlier ones before.
// att_row: the row of att_addr's element rotated right so that the element is at bit 0, two cycles
// after att_re, which may be high only while ready and no start is given.
// Reset: control only. Cost (Yosys, xc7): L = 16, KW = 128, GS = 8: 1,770 LUT, 1,120 FF; L = 64,
// KW = 256, GS = 16: 2,820 LUT, 1,860 FF.
module activation_fetch #(
    parameter LANES = 16,
    parameter KW = 128,
    parameter GU = 4,  // unit of a group slice
    parameter GS = 8   // bits of a tap's slot
) (
    input  wire            clk,
    input  wire            rst,
    // instruction
    input  wire            start,
    output wire            ready,
    input  wire            conv,
    input  wire [    15:0] a_base,
    input  wire [    15:0] a_s2,
    input  wire [    15:0] a_s3,
    input  wire [     4:0] a_elems,
    input  wire [     5:0] g_base,
    input  wire [     5:0] g_step,
    input  wire [     1:0] g_qsh,
    input  wire [     3:0] g_len,
    input  wire [     7:0] y0,
    input  wire [     7:0] height,
    input  wire [     7:0] width,
    input  wire [    11:0] n2,
    input  wire [    11:0] n3,
    input  wire [     2:0] xd,
    input  wire            psum_first,
    input  wire            psum_last,
    input  wire            w_swap,
    // attention's reads
    input  wire            att_re,
    input  wire [    15:0] att_addr,
    output wire [  KW-1:0] att_row,
    // bit memory
    output wire            bm_re,
    output wire [    15:0] bm_raddr,
    input  wire [  KW-1:0] bm_row,
    // vectors
    output reg             swap,
    output reg             v_valid,
    output reg             v_restart,  // first vector of an instruction
    output reg             v_first,
    output reg             v_last,
    output reg  [     3:0] v_pattern,
    output reg  [4*KW-1:0] act         // quadrant q in [q*KW +: KW]
);
    localparam EPR = KW / LANES;                  // elements per row
    localparam EW = EPR > 1 ? $clog2(EPR) : 1;
    localparam UNIT = GU < LANES ? GU : LANES;    // grid of slice positions, bits
    localparam POS_N = KW / UNIT;
    localparam PW = $clog2(POS_N);
    localparam UB = $clog2(UNIT);
    localparam GB = $clog2(GU / UNIT);
    localparam LB = $clog2(LANES / UNIT);
    localparam [15:0] OFF_MASK = ~(16'hffff << $clog2(EPR));
    localparam TU = GS / GU;                      // units per slot
    localparam TAPS = 9 * GS;

    generate
        if (EPR * LANES != KW || (1 << $clog2(EPR)) != EPR) begin : gen_bad_kw
            ERROR_activation_fetch_KW_must_be_LANES_times_a_power_of_two u_stop ();
        end
        if (TAPS > KW || GS % GU != 0 || (1 << UB) != UNIT || GU < 2 || GS > 15 * GU) begin : gen_bad_gs
            ERROR_activation_fetch_GU_GS_must_be_powers_of_two_with_9_GS_in_KW u_stop ();
        end
    endgenerate

    // ---------------------------------------------------------------- settings of the instruction
    reg conv_q, psf_q, psl_q;
    reg [15:0] s2_q, s3_q, cstep_q, rstep_q;
    reg [11:0] n3m1_q;
    reg [2:0] xd_q, lastph_q;
    reg signed [13:0] lim2_q, limw_q;             // x is the last / has no right: x >= limit
    reg signed [13:0] limh_q;                     // y has no row below: y >= limit
    reg [EPR-1:0] emask_q;
    reg [TU-1:0] tmask_q;
    reg [4*PW-1:0] gpos_q;

    wire [2:0] xd_in = xd == 3'd0 ? 3'd1 : xd;
    wire [15:0] cstep_in, rstep_in;
    times_xd #(
        .WIDTH(16)
    ) u_cstep (
        .s (a_s2),
        .xd(xd_in),
        .y (cstep_in)
    );
    times_xd #(
        .WIDTH(16)
    ) u_rstep (
        .s (a_s3),
        .xd(xd_in),
        .y (rstep_in)
    );
    wire signed [13:0] xd_s = $signed({11'd0, xd_in});
    wire signed [13:0] lim2_in = $signed({2'd0, n2}) - xd_s;
    wire signed [13:0] limw_in = $signed({6'd0, width}) - xd_s;
    wire signed [13:0] limh_in = $signed({6'd0, height}) - xd_s;
    wire few = n2 < {9'd0, xd_in};
    wire [2:0] lastph_in = (few ? n2[2:0] : xd_in) - 3'd1;
    wire [15:0] row_in = conv ? a_base - rstep_in : a_base;

    wire [EPR-1:0] emask_in;
    wire [TU-1:0] tmask_in;
    wire [4*PW-1:0] gpos_in;
    genvar e, u, q;
    generate
        for (e = 0; e < EPR; e = e + 1) begin : gen_emask
            assign emask_in[e] = !conv && a_elems > e;
        end
        for (u = 0; u < TU; u = u + 1) begin : gen_tmask
            assign tmask_in[u] = conv && g_len > u;
        end
        for (q = 0; q < 4; q = q + 1) begin : gen_gpos
            wire [15:0] k = q >> g_qsh;
            wire [15:0] at = ({10'd0, g_base} + ({10'd0, g_step} & {16{k[0]}})
                + ({9'd0, g_step, 1'b0} & {16{k[1]}})) << GB;
            wire unused = &{1'b0, k, at};
            assign gpos_in[q*PW+:PW] = at[PW-1:0];
        end
    endgenerate

    // ---------------------------------------------------------------- issue: one read per cycle
    reg run_q, bubble_q, fresh_q;                 // fresh: no vector of this instruction fired yet
    reg [1:0] tap_q;
    reg [12:0] x_q;                               // position of the column being read
    reg [12:0] y_q;
    reg [11:0] i3_q;
    reg [2:0] ph_q;
    reg col0_q, col1_q, extra_q;                  // first, second column of a phase; past n2
    reg last2_q, right_q, lastph_is_q, last3_q;   // x + xd >= n2, >= width; last phase; last row
    reg above_q, below_q;
    reg [15:0] addr_q, col_q, pha_q, rowa_q;      // read; start of column, phase, row

    wire col_done = !conv_q || tap_q == 2'd2;
    wire close = last2_q && right_q && !extra_q;  // XCONV: this column completes two results
    wire phase_end = conv_q ? extra_q || (last2_q && right_q) : last2_q;
    wire row_end = phase_end && lastph_is_q;
    wire all_end = row_end && last3_q;
    wire flush_d = run_q && !bubble_q && conv_q && col_done && close;
    wire last_beat = bubble_q || (col_done && all_end && !(conv_q && close));
    assign ready = !run_q || last_beat;

    // Address of the next read: a step on from the tap, the column, the phase or the row.
    wire [15:0] from = !col_done ? addr_q : !phase_end ? col_q : !lastph_is_q ? pha_q : rowa_q;
    wire [15:0] step = !col_done ? rstep_q : !phase_end ? cstep_q : !lastph_is_q ? s2_q : s3_q;
    wire [15:0] addr_d = from + step;

    wire [2:0] ph_d = !phase_end ? ph_q : lastph_is_q ? 3'd0 : ph_q + 3'd1;
    wire [12:0] x_d = phase_end ? {10'd0, ph_d} : x_q + {10'd0, xd_q};
    wire [12:0] y_d = row_end ? y_q + 13'd1 : y_q;
    wire [11:0] i3_d = row_end ? i3_q + 12'd1 : i3_q;

    // The beat that leaves for the pipeline; a flush fires beside the beat after its column.
    reg flush_q, flush_left_q, flush_above_q, flush_below_q;
    wire fire_col = !conv_q || (tap_q == 2'd2 && !col0_q);
    wire fire = run_q && (flush_q || (!bubble_q && fire_col));
    wire outside = bubble_q || (tap_q == 2'd0 && above_q) || (tap_q == 2'd2 && below_q);
    wire [3:0] pattern = flush_q ? {flush_below_q, flush_above_q, 1'b1, flush_left_q}
        : {below_q, above_q, 1'b0, col1_q} & {4{conv_q}};

    assign bm_re = att_re || (run_q && !bubble_q);
    assign bm_raddr = att_re ? att_addr : addr_q;
    wire [15:0] off16 = bm_raddr & OFF_MASK;
    wire unused_off = &{1'b0, off16};
    wire [EW-1:0] off = off16[EW-1:0];

    reg swap_pend_q, swap0_q, swap1_q, swap2_q;
    wire swap_now = ready && (w_swap || swap_pend_q);

    always @(posedge clk) begin
        swap_pend_q <= (w_swap || swap_pend_q) && !ready;
        swap0_q <= swap_now;
        swap1_q <= swap0_q;
        swap2_q <= swap1_q;
        swap <= swap2_q;

        flush_q <= flush_d;
        flush_left_q <= col0_q;
        flush_above_q <= above_q;
        flush_below_q <= below_q;

        if (run_q) begin
            if (fire) fresh_q <= 1'b0;
            tap_q  <= col_done ? 2'd0 : tap_q + 2'd1;
            addr_q <= addr_d;
            if (col_done) begin
                col_q <= addr_d;
                if (phase_end) pha_q <= addr_d;
                if (row_end) rowa_q <= addr_d;
                col0_q <= phase_end;
                col1_q <= col0_q && !phase_end;
                extra_q <= conv_q && last2_q && !phase_end;
                ph_q <= ph_d;
                x_q <= x_d;
                y_q <= y_d;
                i3_q <= i3_d;
                last2_q <= $signed({1'b0, x_d}) >= lim2_q;
                right_q <= $signed({1'b0, x_d}) >= limw_q;
                lastph_is_q <= ph_d == lastph_q;
                last3_q <= i3_d == n3m1_q;
                above_q <= y_d < {10'd0, xd_q};
                below_q <= $signed({1'b0, y_d}) >= limh_q;
                bubble_q <= all_end && !last_beat;
            end
            if (last_beat) begin
                run_q <= 1'b0;
                bubble_q <= 1'b0;
            end
        end

        if (start) begin
            run_q <= 1'b1;
            bubble_q <= 1'b0;
            fresh_q <= 1'b1;
            conv_q <= conv;
            psf_q <= psum_first;
            psl_q <= psum_last;
            s2_q <= a_s2;
            s3_q <= a_s3;
            cstep_q <= cstep_in;
            rstep_q <= rstep_in;
            n3m1_q <= n3 - 12'd1;
            xd_q <= xd_in;
            lastph_q <= lastph_in;
            lim2_q <= lim2_in;
            limw_q <= limw_in;
            limh_q <= limh_in;
            emask_q <= emask_in;
            tmask_q <= tmask_in;
            gpos_q <= gpos_in;
            tap_q <= 2'd0;
            addr_q <= row_in;
            col_q <= row_in;
            pha_q <= row_in;
            rowa_q <= row_in;
            col0_q <= 1'b1;
            col1_q <= 1'b0;
            extra_q <= 1'b0;
            ph_q <= 3'd0;
            x_q <= 13'd0;
            y_q <= {5'd0, y0};
            i3_q <= 12'd0;
            last2_q <= lim2_in <= 14'sd0;
            right_q <= limw_in <= 14'sd0;
            lastph_is_q <= lastph_in == 3'd0;
            last3_q <= n3 == 12'd1;
            above_q <= y0 < {5'd0, xd_in};
            below_q <= $signed({6'd0, y0}) >= limh_in;
        end

        if (rst) begin
            run_q <= 1'b0;
            bubble_q <= 1'b0;
            flush_q <= 1'b0;
            swap_pend_q <= 1'b0;
            swap0_q <= 1'b0;
            swap1_q <= 1'b0;
            swap2_q <= 1'b0;
            swap <= 1'b0;
        end
    end

    // ---------------------------------------------------------------- pipeline beside the memory
    // _1: memory output; _2: bm_row; _3: sh_q, rot_q; then act.
    reg fire_1, fire_2, fire_3;
    reg restart_1, restart_2, restart_3, psf_1, psf_2, psf_3, psl_1, psl_2, psl_3;
    reg shift_1, shift_2, flush_1, flush_2;
    reg [3:0] pattern_1, pattern_2, pattern_3;
    reg [EW-1:0] off_1, off_2;
    reg [EPR-1:0] emask_1, emask_2;
    reg [TU-1:0] tmask_1, tmask_2;
    reg [4*PW-1:0] pos_1, pos_2;
    reg window_3, late_3, window_left_3, late_left_3;  // taps in place, or shifted two slots on

    wire [PW-1:0] off_pos;
    generate
        if (EPR == 1) begin : gen_off_none
            assign off_pos = {PW{1'b0}};
        end else begin : gen_off
            wire [15:0] off_units = off16 << LB;
            wire unused = &{1'b0, off_units};
            assign off_pos = off_units[PW-1:0];
        end
    endgenerate

    always @(posedge clk) begin
        fire_1 <= fire;
        restart_1 <= fresh_q;
        psf_1 <= psf_q;
        psl_1 <= psl_q;
        pattern_1 <= pattern;
        shift_1 <= run_q && conv_q;
        flush_1 <= flush_q;
        off_1 <= off;
        emask_1 <= emask_q;
        tmask_1 <= tmask_q & {TU{!outside}};

        fire_2 <= fire_1;
        restart_2 <= restart_1;
        psf_2 <= psf_1;
        psl_2 <= psl_1;
        pattern_2 <= pattern_1;
        shift_2 <= shift_1;
        flush_2 <= flush_1;
        off_2 <= off_1;
        emask_2 <= emask_1;
        tmask_2 <= tmask_1;
        pos_2 <= pos_1;

        fire_3 <= fire_2;
        restart_3 <= restart_2;
        psf_3 <= psf_2;
        psl_3 <= psl_2;
        pattern_3 <= pattern_2;
        window_3 <= shift_2 && !flush_2;
        late_3 <= shift_2 && flush_2;
        window_left_3 <= shift_2 && !flush_2 && !pattern_2[0];
        late_left_3 <= shift_2 && flush_2 && !pattern_2[0];

        v_valid <= fire_3;
        v_restart <= restart_3;
        v_first <= psf_3;
        v_last <= psl_3;
        v_pattern <= pattern_3;
        if (rst) begin
            fire_1  <= 1'b0;
            fire_2  <= 1'b0;
            fire_3  <= 1'b0;
            v_valid <= 1'b0;
        end
    end

    // Rotation right by elements.
    function [KW-1:0] rotate;
        input [KW-1:0] row;
        input [EW-1:0] by;
        integer i;
        begin
            rotate = row;
            for (i = 0; (LANES << i) < KW; i = i + 1)
                if (by[i]) rotate = (rotate >> (LANES << i)) | (rotate << (KW - (LANES << i)));
        end
    endfunction
    wire [KW-1:0] rotated;
    generate
        if (EPR == 1) begin : gen_rotate_none
            wire unused = off_2[0];
            assign rotated = bm_row;
        end else begin : gen_rotate
            assign rotated = rotate(bm_row, off_2);
        end
    endgenerate
    assign att_row = rotated;

    wire [KW-1:0] emask_bits;
    wire [GS-1:0] tmask_bits;
    generate
        for (e = 0; e < EPR; e = e + 1) begin : gen_emask_bits
            assign emask_bits[e*LANES+:LANES] = {LANES{emask_2[e]}};
        end
        for (u = 0; u < TU; u = u + 1) begin : gen_tmask_bits
            assign tmask_bits[u*GU+:GU] = {GU{tmask_2[u]}};
        end
    endgenerate

    reg [KW-1:0] rot_q;                           // 0 for XCONV
    always @(posedge clk) rot_q <= rotated & emask_bits;

    generate
        for (q = 0; q < 4; q = q + 1) begin : gen_quadrant
            wire [KW-1:0] moved = bm_row >> {pos_2[q*PW+:PW], {UB{1'b0}}};
            wire unused = &{1'b0, moved};
            reg [TAPS-1:0] sh_q;                  // newest tap on top
            wire [3*GS-1:0] low = (sh_q[0+:3*GS] & {3 * GS{window_left_3}})
                | (sh_q[2*GS+:3*GS] & {3 * GS{late_left_3}});
            wire [3*GS-1:0] middle = (sh_q[3*GS+:3*GS] & {3 * GS{window_3}})
                | (sh_q[5*GS+:3*GS] & {3 * GS{late_3}});
            wire [3*GS-1:0] high = sh_q[6*GS+:3*GS] & {3 * GS{window_3}};
            always @(posedge clk) begin
                pos_1[q*PW+:PW] <= gpos_q[q*PW+:PW] + off_pos;
                if (shift_2) sh_q <= {moved[GS-1:0] & tmask_bits, sh_q[TAPS-1:GS]};
                if (fire_3) begin
                    act[q*KW+:TAPS] <= rot_q[TAPS-1:0] | {high, middle, low};
                end
            end
            if (TAPS < KW) begin : gen_rest
                always @(posedge clk)
                    if (fire_3) act[q*KW+TAPS+:KW-TAPS] <= rot_q[KW-1:TAPS];
            end
        end
    endgenerate
endmodule
