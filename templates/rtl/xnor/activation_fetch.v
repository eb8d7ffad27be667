// activation_fetch: reads the bit memory and forms the activation vectors of XLIN and XCONV.
//
// Order of the results: i3 = 0 .. n3 - 1; within it x = 0, xd, 2 xd, .. (< n2), then 1, 1 + xd, ..
// XLIN (conv = 0): one row read per result; elements a_base + x a_s2 + i3 a_s3 .. (a_elems of them,
//   inside one row) go to columns 0 .. of all four quadrants, the other columns are 0; pattern 0.
// XCONV (conv = 1): 3x3 window of dilation xd around (y0 + i3, x). Token (x, y0 + i3 + dy xd)
// starts
//   at element a_base + x a_s2 + (i3 + dy xd) a_s3; quadrant q takes g_len x GU of its bits from
//   bit (g_base + (q >> g_qsh) g_step) x GU on, into columns (3 (dx + 1) + (dy + 1)) GS ..; bits
//   outside [0, height) x [0, width) are 0. pattern = {below, above, right, left outside}. n2 <=
//   width. The slices of a token lie in one row and in two elements: the one of the first slice,
//   the next.
//
// XCONV goes through the columns of a phase and keeps two, so that neighbouring results share them.
// A column is three rows of the bit memory. When their distance, xd a_s3, is an odd number of rows,
// they are in three of its four banks and come in one cycle; else they are read in three. A result
// fires with the column after its own, whichever that is: the right one (read also past n2 when
// inside the image) or, masked, the first of the next phase; after the very last column a cycle
// without a read.
//
// Timing: start in cycle t (only while ready), the first read in t + 1. XLIN issues n2 n3 cycles,
// XCONV one (or three) per column and one more when the very last right column is outside
// (hwgen/units/xnor_front.py has the formulas). ready is high again in the last of them. A vector
// is in `act` four cycles after the cycle in which it fires.
// `w_swap` (while ready; earlier ones are held until then) gives `swap` four cycles later: vectors
// of this and later starts come after it, earlier ones before.
// att_row: the row of att_addr's element rotated right so that the element is at bit 0, two cycles
// after att_re, which may be high only while ready and no start is given.
//
// Here are the settings of the instruction and the order of the reads; activation_window.v makes
// vectors of what is read.
// Names: a_*, g_* fields of the instruction: elements, group slices; *_in a setting at start, the
// same name with _q from then on; *_d a counter's next value. pend_q, pleft_q .. pbelow_q: the
// column before, a result that waits, and what is outside beside it. cstep, rstep: elements from
// column to column, from tap to tap. bm_* bit memory, att_* attention's reads, v_* with act.
// Reset: control only. Cost (Yosys, xc7): L = 16, KW = 128, GS = 8: 2,240 LUT, 1,200 FF; L = 32,
// KW = 256, GS = 16: 3,190 LUT, 1,950 FF.
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
    output reg             swap,
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
    localparam [15:0] ODD_MASK = ~(16'hfffe << ROW_LOG);
    localparam [15:0] ODD_ROWS = 16'd1 << ROW_LOG;
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

    // ---------------------------------------------------------------- settings of the instruction
    reg conv_q, slow_q, psf_q, psl_q;             // slow: XCONV with three reads a column
    reg [15:0] s2_q, s3_q, cstep_q, rstep_q;
    reg [11:0] n3m1_q;
    reg [2:0] xd_q, lastph_q;
    reg signed [13:0] lim2_q, limw_q;             // x is the last / has no right: x >= limit
    reg signed [13:0] limh_q;                     // y has no row below: y >= limit
    reg [EPR-1:0] emask_q;
    reg [TU-1:0] tmask_q;
    reg [4*PW-1:0] gpos_q;
    reg [EW-1:0] gel_q;

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
    wire fast_in = conv && (rstep_in & ODD_MASK) == ODD_ROWS;
    wire [15:0] top_in = conv ? a_base - rstep_in : a_base;
    wire [47:0] addr_in = fast_in ? {a_base + rstep_in, a_base, top_in} : {3{top_in}};

    wire [EPR-1:0] emask_in;
    wire [TU-1:0] tmask_in;
    wire [4*PW-1:0] gpos_in;
    wire [5:0] gel_in = g_base >> GE;             // element of the first slice
    wire unused_gel = &{1'b0, gel_in};
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

    // ---------------------------------------------------------- issue: one column or tap per cycle
    reg run_q, bubble_q, fresh_q;                 // fresh: no vector of this instruction fired yet
    reg [1:0] tap_q;                              // slow: tap of the column
    reg [12:0] x_q;                               // position of the column being read
    reg [12:0] y_q;
    reg [11:0] i3_q;
    reg [2:0] ph_q;
    reg col0_q, extra_q;                          // first column of a phase; column past n2
    reg last2_q, right_q, lastph_is_q, last3_q;   // x + xd >= n2, >= width; last phase; last row
    reg above_q, below_q;
    reg pend_q, pleft_q, pright_q, pabove_q, pbelow_q;  // the column before is a result that waits
    // Taps above, on and below the row, tap t in [16*t +: 16]; slow and XLIN: all three the one
    // read.
    reg [47:0] addr_q, pha_q, rowa_q;             // read; start of phase, row
    reg [15:0] col_q;                             // slow: start of column

    wire col_done = !slow_q || tap_q == 2'd2;
    wire phase_end = conv_q ? extra_q || (last2_q && right_q) : last2_q;
    wire row_end = phase_end && lastph_is_q;
    wire all_end = row_end && last3_q;
    wire last_beat = bubble_q || (col_done && all_end && (!conv_q || extra_q));
    assign ready = !run_q || last_beat;

    // Address of the next read: a step on from the tap, the column, the phase or the row.
    wire from_q = !col_done || (!phase_end && !slow_q);
    wire [15:0] step = !col_done ? rstep_q : !phase_end ? cstep_q : !lastph_is_q ? s2_q : s3_q;
    wire [47:0] addr_d;
    generate
        for (p = 0; p < 3; p = p + 1) begin : gen_addr
            wire [15:0] from = from_q ? addr_q[16*p+:16] : !phase_end ? col_q
                : !lastph_is_q ? pha_q[16*p+:16] : rowa_q[16*p+:16];
            assign addr_d[16*p+:16] = from + step;
        end
    endgenerate

    wire [2:0] ph_d = !phase_end ? ph_q : lastph_is_q ? 3'd0 : ph_q + 3'd1;
    wire [12:0] x_d = phase_end ? {10'd0, ph_d} : x_q + {10'd0, xd_q};
    wire [12:0] y_d = row_end ? y_q + 13'd1 : y_q;
    wire [11:0] i3_d = row_end ? i3_q + 12'd1 : i3_q;

    // The beat that leaves for the pipeline.
    wire fire = run_q && (!conv_q || (pend_q && (bubble_q || col_done)));
    wire [3:0] pattern = {pbelow_q, pabove_q, pright_q, pleft_q} & {4{conv_q}};
    wire shift = run_q && conv_q && col_done && !bubble_q;
    wire [2:0] load = {3{run_q && conv_q && !bubble_q}}
        & (slow_q ? {tap_q == 2'd2, tap_q == 2'd1, tap_q == 2'd0} : 3'b111);

    // Every bank reads the row of the tap that lies in it, if any.
    wire [15:0] att_at = att_addr >> ROW_LOG;
    wire [5:0] bank;                              // of every tap
    wire [41:0] index;
    assign bm_re = att_re || (run_q && !bubble_q);
    generate
        for (p = 0; p < 3; p = p + 1) begin : gen_tap
            wire [15:0] at = addr_q[16*p+:16] >> ROW_LOG;
            assign bank[2*p+:2] = at[1:0];
            assign index[14*p+:14] = at[15:2];
        end
        for (b = 0; b < 4; b = b + 1) begin : gen_bank
            assign bm_raddr[14*b+:14] = att_re ? att_at[15:2] : bank[1:0] == b ? index[0+:14]
                : bank[3:2] == b ? index[14+:14] : index[28+:14];
        end
    endgenerate
    wire [15:0] off16 = (att_re ? att_addr : addr_q[15:0]) & OFF_MASK;
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

        if (run_q) begin
            if (fire) fresh_q <= 1'b0;
            tap_q  <= col_done ? 2'd0 : tap_q + 2'd1;
            addr_q <= addr_d;
            if (col_done) begin
                col_q <= addr_d[15:0];
                if (phase_end) pha_q <= addr_d;
                if (row_end) rowa_q <= addr_d;
                col0_q <= phase_end;
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
                pend_q <= !extra_q;
                pleft_q <= col0_q;
                pright_q <= right_q;
                pabove_q <= above_q;
                pbelow_q <= below_q;
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
            slow_q <= conv && !fast_in;
            pend_q <= 1'b0;
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
            gel_q <= gel_in[EW-1:0];
            tap_q <= 2'd0;
            addr_q <= addr_in;
            col_q <= top_in;
            pha_q <= addr_in;
            rowa_q <= addr_in;
            col0_q <= 1'b1;
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
            swap_pend_q <= 1'b0;
            swap0_q <= 1'b0;
            swap1_q <= 1'b0;
            swap2_q <= 1'b0;
            swap <= 1'b0;
        end
    end

    activation_window #(
        .LANES(LANES),
        .KW(KW),
        .GU(GU),
        .GS(GS)
    ) u_window (
        .clk(clk),
        .rst(rst),
        .fire(fire),
        .restart(fresh_q),
        .shift(shift),
        .conv(conv_q),
        .psum_first(psf_q),
        .psum_last(psl_q),
        .pattern(pattern),
        .load(load),
        .zero({below_q, 1'b0, above_q}),
        .bank({bank[5:2], att_re ? att_at[1:0] : bank[1:0]}),
        .off(off),
        .gel(gel_q),
        .emask(emask_q),
        .tmask(tmask_q),
        .gpos(gpos_q),
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
