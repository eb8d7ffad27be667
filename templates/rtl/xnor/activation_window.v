// activation_window: from the rows of the bit memory to the activation vectors of XLIN and XCONV.
//
//   XLIN   the row, shifted so that its element comes first, and masked
//   XCONV  the window of every tap, two elements of its row -> the tap's slices -> a column of
//          every quadrant; the two columns before it and the new one are the vector
// (what goes where: activation_fetch.v, which gives the beats). A beat loads the windows of the
// taps in `load` (0 where they are in `zero`); `shift`: the column is complete and moves on;
// `fire`: a vector leaves, with pattern, psum_first, psum_last. Of XCONV it is that of the column
// before, and pattern says which of its neighbours are outside.
//
// Names: _1, _2, _3 are stages: inputs without a number belong to the cycle of the read request;
// _1: the memory reads; _2: bm_rows; _3: the windows and the shifted row are in win_q and row_q;
// then act and v_*. psf, psl: psum_first, psum_last; off, woff: element of the read and
// of the first slice in their row; sh_q: the two columns before.
// att_row: bm_rows shifted, for attention, three cycles after its request (with bank and off).
// Timing: `fire` in cycle t -> act in t + 4; one beat per cycle. Reset: control only. Cost:
// in that of activation_fetch.
`default_nettype none
module activation_window #(
    parameter LANES = 16,
    parameter KW = 128,
    parameter GU = 4,
    parameter GS = 8,
    // derived
    parameter EPR = KW / LANES,                       // elements per row
    parameter EW = EPR > 1 ? $clog2(EPR) : 1,
    parameter PW = $clog2((EPR > 1 ? 2 : 1) * LANES / GU),
    parameter TU = GS / GU                            // units per slot
) (
    input  wire            clk,
    input  wire            rst,
    // beat
    input  wire            fire,
    input  wire            restart,     // first vector of an instruction
    input  wire            shift,
    input  wire            conv,
    input  wire            psum_first,
    input  wire            psum_last,
    input  wire [     3:0] pattern,
    input  wire [     2:0] load,        // of every tap: above, on, below the row
    input  wire [     2:0] zero,
    input  wire [     5:0] bank,        // of every tap; XLIN and attention: of the first
    input  wire [  EW-1:0] off,         // element of the read in its row
    input  wire [  EW-1:0] gel,         // .. from there to that of the first slice
    input  wire [ EPR-1:0] emask,       // XLIN: elements that count
    input  wire [  TU-1:0] tmask,       // XCONV: units of a slot that count
    input  wire [4*PW-1:0] gpos,        // of every quadrant: unit of its slice
    input  wire [4*KW-1:0] bm_rows,     // of every bank, two cycles after the request
    output wire [  KW-1:0] att_row,
    // vectors
    output reg             v_valid,
    output reg             v_restart,
    output reg             v_first,
    output reg             v_last,
    output reg  [     3:0] v_pattern,
    output reg  [4*KW-1:0] act
);
    localparam WIN = EPR > 1 ? 2 * LANES : LANES; // bits that hold a token's slices
    localparam TAPS = 9 * GS;

    // ---------------------------------------------------------------- pipeline beside the memory
    reg fire_1, fire_2, fire_3, shift_1, shift_2, shift_3;
    reg restart_1, restart_2, restart_3, psf_1, psf_2, psf_3, psl_1, psl_2, psl_3;
    reg conv_1, conv_2, conv_3;
    reg [3:0] pattern_1, pattern_2, pattern_3;
    reg left_3, right_3;                          // the column on that side is inside
    reg [2:0] load_1, load_2, zero_1, zero_2;     // taps read, taps outside
    reg [5:0] bank_1, bank_2;
    reg [EW-1:0] off_1, off_2, woff_1;            // element of the read; of the first slice
    reg [EPR-1:0] emask_1, emask_2;               // attention reads without `fire`: all
    reg [TU-1:0] tmask_1, tmask_2, tmask_3;
    reg [4*PW-1:0] gpos_1, gpos_2, gpos_3;

    always @(posedge clk) begin
        fire_1 <= fire;
        shift_1 <= shift;
        restart_1 <= restart;
        psf_1 <= psum_first;
        psl_1 <= psum_last;
        conv_1 <= conv;
        pattern_1 <= pattern;
        load_1 <= load;
        zero_1 <= zero;
        bank_1 <= bank;
        off_1 <= off;
        woff_1 <= off + gel;
        emask_1 <= fire ? emask : {EPR{1'b1}};
        tmask_1 <= tmask;
        gpos_1 <= gpos;

        fire_2 <= fire_1;
        shift_2 <= shift_1;
        restart_2 <= restart_1;
        psf_2 <= psf_1;
        psl_2 <= psl_1;
        conv_2 <= conv_1;
        pattern_2 <= pattern_1;
        load_2 <= load_1;
        zero_2 <= zero_1;
        bank_2 <= bank_1;
        off_2 <= off_1;
        emask_2 <= emask_1;
        tmask_2 <= tmask_1;
        gpos_2 <= gpos_1;

        fire_3 <= fire_2;
        shift_3 <= shift_2;
        restart_3 <= restart_2;
        psf_3 <= psf_2;
        psl_3 <= psl_2;
        conv_3 <= conv_2;
        pattern_3 <= pattern_2;
        left_3 <= conv_2 && !pattern_2[0];
        right_3 <= conv_2 && !pattern_2[1];
        tmask_3 <= tmask_2;
        gpos_3 <= gpos_2;
        // XLIN shifts nothing. The clear keeps gpos_3 a flip-flop: the output of a shift register
        // (SRL) is 1.2 ns later.
        if (!conv_2) gpos_3 <= {4 * PW{1'b0}};

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

    // ------------------------------------------------------------- XLIN and attention: a whole row
    function [KW-1:0] shift_out;                  // right by elements
        input [KW-1:0] row;
        input [EW-1:0] by;
        integer i;
        begin
            shift_out = row;
            for (i = 0; (LANES << i) < KW; i = i + 1)
                if (by[i]) shift_out = shift_out >> (LANES << i);
        end
    endfunction
    wire [KW-1:0] row = bm_rows[bank_2[1:0]*KW+:KW];
    wire [KW-1:0] shifted;
    generate
        if (EPR == 1) begin : gen_whole_row
            wire unused = off_2[0];
            assign shifted = row;
        end else begin : gen_shift
            assign shifted = shift_out(row, off_2);
        end
    endgenerate

    genvar e, u, q, b, p;
    wire [KW-1:0] emask_bits;
    wire [GS-1:0] tmask_bits;
    generate
        for (e = 0; e < EPR; e = e + 1) begin : gen_emask_bits
            assign emask_bits[e*LANES+:LANES] = {LANES{emask_2[e]}};
        end
        for (u = 0; u < TU; u = u + 1) begin : gen_tmask_bits
            assign tmask_bits[u*GU+:GU] = {GU{tmask_3[u]}};
        end
    endgenerate

    reg [KW-1:0] row_q;
    always @(posedge clk) row_q <= shifted & emask_bits;  // 0 for a vector of XCONV
    assign att_row = row_q;

    // -------------------------------------------------------------- XCONV: the window of every tap
    // The two elements with a token's slices, the even one low: bit i of the window is a bit with
    // position i mod WIN in its row.
    wire [4*WIN-1:0] windows;                     // of every bank
    reg [3*WIN-1:0] win_q;                        // of every tap
    reg [2:0] odd_q;                              // the token starts at an odd element
    generate
        if (EPR <= 2) begin : gen_whole
            wire unused = &{1'b0, woff_1};
            assign windows = bm_rows;
        end else begin : gen_pair
            reg [EW-2:0] even_2, odd_2;
            wire [EW-1:0] next_1 = woff_1 + 1'b1;
            wire unused = next_1[0];
            always @(posedge clk) begin
                even_2 <= next_1[EW-1:1];
                odd_2  <= woff_1[EW-1:1];
            end
            for (b = 0; b < 4; b = b + 1) begin : gen_bank
                wire [KW/2-1:0] even, odd;
                for (e = 0; e < EPR / 2; e = e + 1) begin : gen_split
                    assign even[e*LANES+:LANES] = bm_rows[b*KW+2*e*LANES+:LANES];
                    assign odd[e*LANES+:LANES]  = bm_rows[b*KW+(2*e+1)*LANES+:LANES];
                end
                assign windows[b*WIN+:WIN] =
                    {odd[odd_2*LANES+:LANES], even[even_2*LANES+:LANES]};
            end
        end
        for (p = 0; p < 3; p = p + 1) begin : gen_win
            always @(posedge clk)
                if (load_2[p]) begin
                    odd_q[p] <= off_2[0];
                    win_q[p*WIN+:WIN] <= zero_2[p] ? {WIN{1'b0}}
                        : windows[bank_2[2*p+:2]*WIN+:WIN];
                end
        end
    endgenerate

    // Two older columns and the new one; the outer two count only when inside the image.
    generate
        for (q = 0; q < 4; q = q + 1) begin : gen_quadrant
            wire [3*GS-1:0] column;
            for (p = 0; p < 3; p = p + 1) begin : gen_slice
                wire [PW:0] half = {odd_q[p] && EPR > 1, {PW{1'b0}}};
                wire [PW-1:0] pos = gpos_3[q*PW+:PW] ^ half[PW:1];
                wire [2*WIN-1:0] ring = {2{win_q[p*WIN+:WIN]}} >> {pos, {$clog2(GU) {1'b0}}};
                wire unused = &{1'b0, half, ring};
                assign column[p*GS+:GS] = ring[GS-1:0];
            end
            reg [6*GS-1:0] sh_q;
            wire [3*GS-1:0] mask = {3{tmask_bits}};
            always @(posedge clk) begin
                if (shift_3) sh_q <= {column, sh_q[3*GS+:3*GS]};
                if (fire_3)
                    act[q*KW+:TAPS] <= row_q[TAPS-1:0]
                        | {column & mask & {3 * GS{right_3}},
                            sh_q[3*GS+:3*GS] & mask & {3 * GS{conv_3}},
                            sh_q[0+:3*GS] & mask & {3 * GS{left_3}}};
            end
            if (TAPS < KW) begin : gen_rest
                always @(posedge clk)
                    if (fire_3) act[q*KW+TAPS+:KW-TAPS] <= row_q[KW-1:TAPS];
            end
        end
    endgenerate
endmodule
`default_nettype wire
