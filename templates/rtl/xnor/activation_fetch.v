// activation_fetch: reads the bit memory and forms the activation vectors of XLIN and XCONV.
//
// Order of the results: i3 = 0 .. n3 - 1; within it x = 0, xd, 2 xd, .. (< n2), then 1, 1 + xd, ..
// XLIN (conv = 0): one row read per result; elements a_base + x a_s2 + i3 a_s3 .. (a_elems of them,
//   inside one row) go to columns 0 .. of all four quadrants, the other columns are 0; pattern 0.
// XCONV (conv = 1): 3x3 window of dilation xd around (y0 + i3, x). Token (x, y0 + i3 + dy xd)
//   starts at element a_base + x a_s2 + (i3 + dy xd) a_s3; quadrant q takes g_len x GU of its bits
//   from bit (g_base + (q >> g_qsh) g_step) x GU on, into columns (3 (dx + 1) + (dy + 1)) GS ..;
//   bits outside [0, height) x [0, width) are 0. pattern = {below, above, right, left outside}. n2
//   <= width. The slices of a token lie in one row and in two elements: the one of the first slice,
//   the next.
//
// XCONV goes through the columns of a phase and keeps two, so that neighbouring results share them.
// A column is three rows of the bit memory. When their distance, xd a_s3, is an odd number of rows,
// they are in three of its four banks and come in one cycle; else they are read in three. A result
// fires with the column after its own, whichever that is: the right one (read also past n2 when
// inside the image) or, masked, the first of the next phase; after the very last column a cycle
// without a read.
//
// Stages, a cycle each: the counters (their beat is what "issue" means below); the step that the
// address takes; the address of the column; the read requests, where attention's come in.
//
// Timing: start in cycle t, the instruction's fields stable from t - 1 on; it issues from t + 1 on:
// XLIN n2 n3 cycles, XCONV one (or three) per column and one more when the very last right column
// is outside (hwgen/units/xnor_front.py has the formulas). ready is high again in the last of them:
// a start may come in the next cycle. A vector is in `act` six cycles after the cycle in which it
// fires.
// `w_swap` (while ready; earlier ones are held until then) gives `swap` five cycles later: the
// vectors of this and later starts come two cycles after it or later, earlier ones before.
// att_row: the row of att_addr's element shifted right so that the element is at bit 0, four cycles
// after att_re, which may be high from two cycles after the last issue on, until the next start.
//
// Here are the settings of the instruction and the order of the reads; activation_window.v makes
// vectors of what is read.
// Names: a_*, g_* fields of the instruction: elements, group slices; *_p prepared of them, *_q from
// the start on; room, over: how far x is from n2 or width (w), and from there behind the next step.
// pend_q, pleft_q .. pbelow_q: the column before, a result that waits, and what is outside beside
// it. cstep, rstep: elements from column to column, from tap to tap; _f, _r: of the address and the
// request stage. bm_* bit memory, att_* attention's reads, v_* with act.
// Reset: control only. Cost (Yosys, xc7): with activation_window, see docs/timing.md.
`default_nettype none
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
    output wire [4*14-1:0] bm_raddr,   // of every bank
    input  wire [4*KW-1:0] bm_rows,
    // vectors
    output wire            swap,
    output wire            v_valid,
    output wire            v_restart,  // first vector of an instruction
    output wire            v_first,
    output wire            v_last,
    output wire [     3:0] v_pattern,
    output wire [4*KW-1:0] act         // quadrant q in [q*KW +: KW]
);
    localparam EPR = KW / LANES;                  // elements per row
    localparam EW = EPR > 1 ? $clog2(EPR) : 1;
    localparam ROW_LOG = $clog2(EPR);
    localparam [15:0] OFF_MASK = ~(16'hffff << ROW_LOG);
    localparam [ROW_LOG:0] ODD_ROWS = 1 << ROW_LOG;
    localparam WIN = EPR > 1 ? 2 * LANES : LANES; // bits that hold a token's slices
    localparam PW = $clog2(WIN / GU);
    localparam GE = $clog2(LANES / GU);           // slice position -> element
    localparam TU = GS / GU;                      // units per slot
    localparam TAPS = 9 * GS;

    generate
        if (EPR * LANES != KW || (1 << ROW_LOG) != EPR) begin : gen_bad_kw
            ERROR_activation_fetch_KW_must_be_LANES_times_a_power_of_two u_stop ();
        end
        if (TAPS > KW || GS % GU != 0 || (1 << $clog2(GU)) != GU || GU < 2 || GS > 15 * GU)
        begin : gen_bad_gs
            ERROR_activation_fetch_GU_GS_must_be_powers_of_two_with_9_GS_in_KW u_stop ();
        end
        if (GS > LANES) begin : gen_bad_lanes
            ERROR_activation_fetch_GS_must_not_exceed_LANES u_stop ();
        end
    endgenerate

    // ------------------------------------------------------- prepared: one cycle behind the fields
    reg [15:0] base_p, s2_p, s3_p;
    reg [ROW_LOG:0] row_step_p;                   // low bits of rstep
    reg [11:0] room_p, room_w_p;                  // n2 - 1, width - 1
    reg [11:0] rows_p;                            // n3 - 1
    reg [13:0] up_p;                              // y0 - xd
    reg [8:0] rest_p;                             // height - y0
    reg [2:0] xd_p, last_phase_p;
    reg one_x_p, one_w_p, one_row_p;              // n2 <= xd, width <= xd; n3 = 1
    reg conv_p, psf_p, psl_p;
    reg [EPR-1:0] emask_p;
    reg [TU-1:0] tmask_p;
    reg [4*PW-1:0] gpos_p;
    reg [EW-1:0] gel_p;

    wire [15:0] low_in;
    wire unused_low = &{1'b0, low_in};
    times_xd #(
        .WIDTH(16)
    ) u_low (
        .s ({{(15 - ROW_LOG) {1'b0}}, a_s3[ROW_LOG:0]}),
        .xd(xd),
        .y (low_in)
    );
    wire [2:0] last_phase_in;
    wire one_x_in, unused_phase;
    phase_count u_phases (
        .n2(n2),
        .xd(xd),
        .last_phase(last_phase_in),
        .one_x(one_x_in),
        .one_phase(unused_phase)
    );
    wire [5:0] gel_in = g_base >> GE;             // element of the first slice
    wire unused_gel = &{1'b0, gel_in};
    wire [EPR-1:0] emask_in;
    wire [TU-1:0] tmask_in;
    wire [4*PW-1:0] gpos_in;
    genvar e, u, q, b, p;
    generate
        for (e = 0; e < EPR; e = e + 1) begin : gen_emask
            assign emask_in[e] = !conv && a_elems > e;
        end
        for (u = 0; u < TU; u = u + 1) begin : gen_tmask
            assign tmask_in[u] = conv && g_len > u;
        end
        for (q = 0; q < 4; q = q + 1) begin : gen_gpos
            wire [15:0] k = q >> g_qsh;
            wire [15:0] at = {10'd0, g_base} + ({10'd0, g_step} & {16{k[0]}})
                + ({9'd0, g_step, 1'b0} & {16{k[1]}});
            wire unused = &{1'b0, k, at};
            assign gpos_in[q*PW+:PW] = at[PW-1:0];
        end
    endgenerate

    always @(posedge clk) begin
        base_p <= a_base;
        s2_p <= a_s2;
        s3_p <= a_s3;
        row_step_p <= low_in[ROW_LOG:0];
        room_p <= n2 - 12'd1;
        room_w_p <= {4'd0, width} - 12'd1;
        rows_p <= n3 - 12'd1;
        up_p <= {6'd0, y0} - {11'd0, xd};
        rest_p <= {1'b0, height} - {1'b0, y0};
        xd_p <= xd;
        last_phase_p <= last_phase_in;
        one_x_p <= one_x_in;
        one_w_p <= width <= {5'd0, xd};
        one_row_p <= n3 == 12'd1;
        conv_p <= conv;
        psf_p <= psum_first;
        psl_p <= psum_last;
        emask_p <= emask_in;
        tmask_p <= tmask_in;
        gpos_p <= gpos_in;
        gel_p <= gel_in[EW-1:0];
    end

    // -------------------------------------------------------- counters: a column or tap per cycle
    reg conv_q, slow_q, psf_q, psl_q;             // slow: XCONV with three reads a column
    reg [2:0] xd_q, last_phase_q;
    reg [11:0] row_room_q, row_room_w_q;          // at the begin of a row
    reg one_x_q, one_w_q, one_phase_q, single_q;  // flags there; phase_end there
    reg run_q, last_q, bubble_q, fresh_q;         // fresh: no vector of this instruction fired yet
    reg ready_q;                                  // !run_q || last_q
    reg [1:0] tap_q;                              // slow: tap of the column
    reg col_done_q;                               // the column's last
    reg [11:0] room_q, room_w_q;                  // n2 - 1 - x, width - 1 - x
    reg [11:0] ph_room_q, ph_room_w_q;            // .. of the first x of the next phase
    reg [11:0] rows_q;
    reg [13:0] up_q, down_q;
    reg [2:0] ph_q;
    reg col0_q, extra_q;                          // first column of a phase; column past n2
    reg last2_q, right_q, phase_end_q;  // x + xd >= n2, >= width; last column of its phase
    reg lastph_q, nextph_q, last3_q;              // last phase, the one before, last row
    reg pend_q, pleft_q, pright_q, pabove_q, pbelow_q;  // the column before is a result that waits

    wire fast_p = row_step_p == ODD_ROWS;
    wire single_p = conv_p ? one_x_p && one_w_p : one_x_p;
    wire above = up_q[13];
    wire below = down_q[13];
    wire step = run_q && col_done_q;
    wire row_end = phase_end_q && lastph_q;
    wire all_end = row_end && last3_q;
    wire at_once = !conv_p && single_p && last_phase_p == 3'd0 && one_row_p;
    assign ready = ready_q;

    // what holds after the step: within a phase, and at the begin of the next one
    wire [12:0] over = {1'b0, room_q} - {9'd0, xd_q, 1'b0};
    wire [12:0] over_w = {1'b0, room_w_q} - {9'd0, xd_q, 1'b0};
    wire [12:0] over_ph = {1'b0, ph_room_q} - {10'd0, xd_q};
    wire [12:0] over_ph_w = {1'b0, ph_room_w_q} - {10'd0, xd_q};
    wire extra_d = conv_q && last2_q;             // .. the right column of the phase's last result
    wire end_x = extra_d || (over[12] && (over_w[12] || !conv_q));
    wire end_ph = over_ph[12] && (over_ph_w[12] || !conv_q);
    wire last_row_d = rows_q == 12'd1;
    wire unused_over = &{1'b0, over[11:0], over_w[11:0], over_ph[11:0], over_ph_w[11:0]};
    // Of XLIN: the next beat is the last. Of XCONV: bubble or extra column, at its last tap.
    wire lin_last = !phase_end_q ? end_x && lastph_q && last3_q
        : !lastph_q ? end_ph && nextph_q && last3_q
        : single_q && one_phase_q && last_row_d;
    wire bubble_d = col_done_q && conv_q && all_end && !extra_q && !bubble_q;
    wire conv_last = bubble_d || (lastph_q && last3_q
        && (slow_q ? extra_q && tap_q == 2'd1 : extra_d && !phase_end_q));

    // The beat that leaves for the pipeline.
    wire fire = run_q && (!conv_q || (pend_q && (bubble_q || col_done_q)));
    wire [3:0] pattern = {pbelow_q, pabove_q, pright_q, pleft_q} & {4{conv_q}};
    wire read = run_q && !bubble_q;
    wire shift = read && conv_q && col_done_q;
    wire [2:0] load = {3{read && conv_q}}
        & (slow_q ? {tap_q == 2'd2, tap_q == 2'd1, tap_q == 2'd0} : 3'b111);

    always @(posedge clk) begin
        run_q <= start || (run_q && !last_q);
        last_q <= start ? at_once : run_q && !last_q && (conv_q ? conv_last : lin_last);
        ready_q <= start ? at_once : !run_q || last_q || (conv_q ? conv_last : lin_last);
        if (run_q) begin
            if (fire) fresh_q <= 1'b0;
            tap_q <= col_done_q ? 2'd0 : tap_q + 2'd1;
            col_done_q <= !slow_q || tap_q == 2'd1;
            bubble_q <= bubble_d;
        end
        if (step) begin
            col0_q <= phase_end_q;
            extra_q <= extra_d && !phase_end_q;
            if (!phase_end_q) begin
                room_q <= room_q - {9'd0, xd_q};
                room_w_q <= room_w_q - {9'd0, xd_q};
                last2_q <= over[12];
                right_q <= over_w[12];
                phase_end_q <= end_x;
            end else if (!lastph_q) begin
                ph_q <= ph_q + 3'd1;
                room_q <= ph_room_q;
                room_w_q <= ph_room_w_q;
                ph_room_q <= ph_room_q - 12'd1;
                ph_room_w_q <= ph_room_w_q - 12'd1;
                last2_q <= over_ph[12];
                right_q <= over_ph_w[12];
                phase_end_q <= end_ph;
                lastph_q <= nextph_q;
                nextph_q <= {ph_q[2] ^ ph_q[1], ~ph_q[1], ph_q[0]} == last_phase_q;  // ph + 2
            end else begin
                ph_q <= 3'd0;
                room_q <= row_room_q;
                room_w_q <= row_room_w_q;
                ph_room_q <= row_room_q - 12'd1;
                ph_room_w_q <= row_room_w_q - 12'd1;
                last2_q <= one_x_q;
                right_q <= one_w_q;
                phase_end_q <= single_q;
                lastph_q <= one_phase_q;
                nextph_q <= last_phase_q == 3'd1;
                rows_q <= rows_q - 12'd1;
                last3_q <= last_row_d;
                up_q <= up_q + 14'd1;
                down_q <= down_q - 14'd1;
            end
            pend_q <= !extra_q;
            pleft_q <= col0_q;
            pright_q <= right_q;
            pabove_q <= above;
            pbelow_q <= below;
        end

        if (start) begin
            bubble_q <= 1'b0;
            fresh_q <= 1'b1;
            conv_q <= conv_p;
            slow_q <= conv_p && !fast_p;
            pend_q <= 1'b0;
            psf_q <= psf_p;
            psl_q <= psl_p;
            xd_q <= xd_p;
            last_phase_q <= last_phase_p;
            row_room_q <= room_p;
            row_room_w_q <= room_w_p;
            one_x_q <= one_x_p;
            one_w_q <= one_w_p;
            one_phase_q <= last_phase_p == 3'd0;
            single_q <= single_p;
            tap_q <= 2'd0;
            col_done_q <= !conv_p || fast_p;
            room_q <= room_p;
            room_w_q <= room_w_p;
            ph_room_q <= room_p - 12'd1;
            ph_room_w_q <= room_w_p - 12'd1;
            rows_q <= rows_p;
            up_q <= up_p;
            down_q <= {{5{rest_p[8]}}, rest_p} - {11'd0, xd_p} - 14'd1;
            ph_q <= 3'd0;
            col0_q <= 1'b1;
            extra_q <= 1'b0;
            last2_q <= one_x_p;
            right_q <= one_w_p;
            phase_end_q <= single_p;
            lastph_q <= last_phase_p == 3'd0;
            nextph_q <= last_phase_p == 3'd1;
            last3_q <= one_row_p;
        end

        if (rst) begin
            run_q <= 1'b0;
            ready_q <= 1'b1;
            last_q <= 1'b0;
            bubble_q <= 1'b0;
        end
    end

    // ------------------------------------------------------------ address of the column, by steps
    wire [15:0] cstep_in, rstep_in;
    times_xd #(
        .WIDTH(16)
    ) u_cstep (
        .s (s2_p),
        .xd(xd_p),
        .y (cstep_in)
    );
    times_xd #(
        .WIDTH(16)
    ) u_rstep (
        .s (s3_p),
        .xd(xd_p),
        .y (rstep_in)
    );
    reg [15:0] base_q, s2_q, s3_q, cstep_q;
    reg [1:0] go_q;                               // 0 start, 1 column, 2 phase, 3 row
    reg move_q;
    reg [15:0] at_f, next_col_f, next_phase_f, next_row_f;
    wire [15:0] from = go_q == 2'd0 ? base_q : go_q == 2'd1 ? next_col_f
        : go_q == 2'd2 ? next_phase_f : next_row_f;
    wire [15:0] row_from = go_q == 2'd0 ? base_q : next_row_f;

    always @(posedge clk) begin
        if (start) begin
            base_q <= base_p;
            s2_q <= s2_p;
            s3_q <= s3_p;
            cstep_q <= cstep_in;
        end
        move_q <= start || step;
        go_q <= start ? 2'd0 : !phase_end_q ? 2'd1 : !lastph_q ? 2'd2 : 2'd3;
        if (move_q) begin
            at_f <= from;
            next_col_f <= from + cstep_q;
            if (go_q == 2'd0 || go_q == 2'd3) begin
                next_phase_f <= row_from + s2_q;
                next_row_f <= row_from + s3_q;
            end else if (go_q == 2'd2) begin
                next_phase_f <= next_phase_f + s2_q;
            end
        end
    end

    // ----------------------------------------------- requests: the taps' rows, or attention's row
    // A beat's flags, one cycle later with its address and two with its requests.
    localparam FLAGS = 15;
    reg [FLAGS-1:0] flags_1, flags_2;
    reg [15:0] rstep_q, rstep_f;
    reg conv_f, slow_f;
    reg read_1, re_2;
    reg [1:0] tap_1;
    reg [47:0] at_2;                              // taps above, on and below the row
    wire [15:0] tap_above = at_f - rstep_f;
    wire [15:0] tap_below = at_f + rstep_f;
    wire [15:0] tap_slow = tap_1 == 2'd0 ? tap_above : tap_1 == 2'd1 ? at_f : tap_below;
    wire [15:0] tap_first = slow_f ? tap_slow : conv_f ? tap_above : at_f;

    always @(posedge clk) begin
        if (start) rstep_q <= rstep_in;
        rstep_f <= rstep_q;
        conv_f <= conv_q;
        slow_f <= slow_q;
        flags_1 <= {fire, shift, fresh_q, psf_q, psl_q, conv_q, pattern, load, below, above};
        flags_2 <= flags_1;
        read_1 <= read;
        re_2 <= read_1 || att_re;
        tap_1 <= tap_q;
        at_2 <= {slow_f ? tap_slow : tap_below, slow_f ? tap_slow : at_f,
            att_re ? att_addr : tap_first};
        if (rst) begin
            flags_1[FLAGS-1] <= 1'b0;
            flags_2[FLAGS-1] <= 1'b0;
            read_1 <= 1'b0;
            re_2 <= 1'b0;
        end
    end

    // Every bank reads the row of the tap that lies in it, if any.
    wire [5:0] bank;                              // of every tap
    wire [41:0] index;
    assign bm_re = re_2;
    generate
        for (p = 0; p < 3; p = p + 1) begin : gen_tap
            wire [15:0] at = at_2[16*p+:16] >> ROW_LOG;
            assign bank[2*p+:2] = at[1:0];
            assign index[14*p+:14] = at[15:2];
        end
        for (b = 0; b < 4; b = b + 1) begin : gen_bank
            assign bm_raddr[14*b+:14] = bank[1:0] == b ? index[0+:14]
                : bank[3:2] == b ? index[14+:14] : index[28+:14];
        end
    endgenerate
    wire [15:0] off16 = at_2[15:0] & OFF_MASK;
    wire unused_off = &{1'b0, off16};

    // ---------------------------------------------------------------- what waits beside the reads
    localparam CONSTANTS = EPR + TU + 4 * PW + EW;
    reg [CONSTANTS-1:0] constants_q;
    wire [CONSTANTS-1:0] constants_2;
    wire [EPR-1:0] emask_2;
    wire [TU-1:0] tmask_2;
    wire [4*PW-1:0] gpos_2;
    wire [EW-1:0] gel_2;
    assign {emask_2, tmask_2, gpos_2, gel_2} = constants_2;
    always @(posedge clk) if (start) constants_q <= {emask_p, tmask_p, gpos_p, gel_p};
    delay_line #(
        .WIDTH(CONSTANTS),
        .DEPTH(2),
        .RESET(0)
    ) u_constants (
        .clk(clk),
        .rst(rst),
        .d(constants_q),
        .q(constants_2)
    );

    reg swap_pend_q;
    wire swap_now = ready && (w_swap || swap_pend_q);
    always @(posedge clk) begin
        swap_pend_q <= (w_swap || swap_pend_q) && !ready;
        if (rst) swap_pend_q <= 1'b0;
    end
    delay_line #(
        .WIDTH(1),
        .DEPTH(5),
        .RESET(1)
    ) u_swap (
        .clk(clk),
        .rst(rst),
        .d(swap_now),
        .q(swap)
    );

    wire fire_2, shift_2, restart_2, psf_2, psl_2, conv_2, below_2, above_2;
    wire [3:0] pattern_2;
    wire [2:0] load_2;
    assign {fire_2, shift_2, restart_2, psf_2, psl_2, conv_2, pattern_2, load_2, below_2, above_2}
        = flags_2;

    activation_window #(
        .LANES(LANES),
        .KW(KW),
        .GU(GU),
        .GS(GS)
    ) u_window (
        .clk(clk),
        .rst(rst),
        .fire(fire_2),
        .restart(restart_2),
        .shift(shift_2),
        .conv(conv_2),
        .psum_first(psf_2),
        .psum_last(psl_2),
        .pattern(pattern_2),
        .load(load_2),
        .zero({below_2, 1'b0, above_2}),
        .bank(bank),
        .off(off16[EW-1:0]),
        .gel(gel_2),
        .emask(emask_2),
        .tmask(tmask_2),
        .gpos(gpos_2),
        .bm_rows(bm_rows),
        .att_row(att_row),
        .v_valid(v_valid),
        .v_restart(v_restart),
        .v_first(v_first),
        .v_last(v_last),
        .v_pattern(v_pattern),
        .act(act)
    );
endmodule
`default_nettype wire
