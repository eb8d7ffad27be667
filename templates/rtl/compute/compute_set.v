// compute_set: executes SET and keeps what it sets for later instructions.
//
// taps: 14 cycles from set_taps on (tap_table.v). att: kappa, neg change
// in the cycle after set_att; attention takes them with its start. norm: log2c, eps change in the
// cycle after set_norm, norm_reset is high in that cycle. table: 9 cycles (chord_loader.v). `word`
// holds in all of these cycles.
// Reset: control only. Cost: tap_table, chord_loader and 130 flip-flops.
`default_nettype none
module compute_set (
    input  wire         clk,
    input  wire         rst,
    input  wire         set_taps,
    input  wire         set_att,
    input  wire         set_norm,
    input  wire         set_table,
    input  wire [511:0] word,        // the instruction
    output wire [13:0]  taps_sx,
    input  wire [3:0]   tap_index,
    output wire [19:0]  tap_offset,
    output wire [3:0]   tap_dx,
    output wire         tap_out,
    output wire [11:0]  taps_width,
    output wire [19:0]  taps_wsx,
    output wire         taps_padded,
    output wire [13:0]  taps_pad,
    output reg  [23:0]  kappa1,
    output reg  [23:0]  kappa2,
    output reg  [23:0]  kappa3,
    output reg          neg,
    output reg  [3:0]   log2c,
    output reg  [16:0]  norm_scale,
    output reg  [51:0]  eps,
    output reg          norm_reset,
    output wire         table_we,
    output wire [5:0]   table_index,
    output wire [31:0]  table_entry,
    output wire         table_flat
);
    wire [23:0] new_kappa1, new_kappa2, new_kappa3;
    wire        new_neg;
    wire [3:0]  new_log2c;
    wire [16:0] new_scale;
    wire [51:0] new_eps;
    wire        reset;

    decode_set_att u_att (
        .word(word), .kappa1(new_kappa1), .kappa2(new_kappa2), .kappa3(new_kappa3), .neg(new_neg)
    );
    decode_set_norm u_norm (
        .word(word), .log2c(new_log2c), .scale(new_scale), .eps(new_eps), .reset(reset)
    );

    tap_table u_taps (
        .clk(clk), .rst(rst), .start(set_taps), .word(word),
        .sx(taps_sx), .index(tap_index),
        .offset(tap_offset), .dx(tap_dx), .out(tap_out), .width(taps_width), .wsx(taps_wsx),
        .padded(taps_padded), .pad(taps_pad)
    );

    chord_loader u_chords (
        .clk(clk), .rst(rst), .start(set_table), .word(word),
        .table_we(table_we), .table_index(table_index), .table_entry(table_entry),
        .table_flat(table_flat)
    );

    always @(posedge clk) begin
        if (set_att) begin
            kappa1 <= new_kappa1;
            kappa2 <= new_kappa2;
            kappa3 <= new_kappa3;
            neg <= new_neg;
        end
        if (set_norm) begin
            log2c <= new_log2c;
            norm_scale <= new_scale;
            eps <= new_eps;
        end
        norm_reset <= set_norm && reset;
        if (rst) norm_reset <= 1'b0;
    end
endmodule
`default_nettype wire
