// compute_set: executes SET and keeps what it sets for later instructions.
//
// taps: 14 cycles from set_taps to the cycle after taps_done (tap_table.v). att: kappa, neg change
// in the cycle after set_att; attention takes them with its start. norm: log2c, eps change in the
// cycle after set_norm, norm_reset is high in that cycle. `payload` holds until taps_done.
// Reset: control only. Cost: tap_table and 130 flip-flops.
`default_nettype none
module compute_set (
    input  wire         clk,
    input  wire         rst,
    input  wire         set_taps,
    input  wire         set_att,
    input  wire         set_norm,
    input  wire [383:0] payload,
    output wire         taps_busy,
    output wire         taps_done,
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
    output reg  [51:0]  eps,
    output reg          norm_reset
);
    localparam SET_PAYLOAD = 128;
    localparam PATT_KAPPA1 = 128;
    localparam PATT_KAPPA2 = 152;
    localparam PATT_KAPPA3 = 176;
    localparam PATT_NEG = 200;
    localparam PNORM_LOG2C = 128;
    localparam PNORM_EPS = 132;
    localparam PNORM_RESET = 184;

    tap_table u_taps (
        .clk(clk), .rst(rst), .start(set_taps), .payload(payload[316:0]),
        .busy(taps_busy), .done(taps_done), .sx(taps_sx), .index(tap_index),
        .offset(tap_offset), .dx(tap_dx), .out(tap_out), .width(taps_width), .wsx(taps_wsx),
        .padded(taps_padded), .pad(taps_pad)
    );

    always @(posedge clk) begin
        if (set_att) begin
            kappa1 <= payload[PATT_KAPPA1 - SET_PAYLOAD +: 24];
            kappa2 <= payload[PATT_KAPPA2 - SET_PAYLOAD +: 24];
            kappa3 <= payload[PATT_KAPPA3 - SET_PAYLOAD +: 24];
            neg <= payload[PATT_NEG - SET_PAYLOAD];
        end
        if (set_norm) begin
            log2c <= payload[PNORM_LOG2C - SET_PAYLOAD +: 4];
            eps <= payload[PNORM_EPS - SET_PAYLOAD +: 52];
        end
        norm_reset <= set_norm && payload[PNORM_RESET - SET_PAYLOAD];
        if (rst) norm_reset <= 1'b0;
    end

    wire unused = &{1'b0, payload[383:317]};
endmodule
`default_nettype wire
