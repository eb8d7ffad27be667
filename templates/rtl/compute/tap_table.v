// tap_table: executes SET taps and answers the look-ups of the MAC source.
//
//   table[k] = {out_k, dx_k, off_k + dx_k sx}, k = 0..11;   wsx = width sx      (all modulo 2**20)
//
// by adders only: one entry and one bit of width per cycle. `start` (payload stable until done)
// in cycle t -> `busy` t + 1 .. t + 13, `done` in t + 13; the entries are written in t + 2 ..
// t + 13, width, wsx, padded and pad change after done. Look-up: combinational.
// padded, pad and out are for mac_source: columns outside the image, and taps with out, read word
// pad.
// Reset: control only. Cost: 25 LUT RAM bits wide x 16, 3 adders of 20 bits, 115 flip-flops.
`default_nettype none
module tap_table (
    input  wire         clk,
    input  wire         rst,
    input  wire         start,
    // 12 x {dx[3:0], off[17:0]}, width[11:0], sx[13:0], pad[13:0], padded, out[11:0]
    input  wire [316:0] payload,
    output wire         busy,
    output wire         done,
    output wire [13:0]  sx,
    input  wire [3:0]   index,
    output wire [19:0]  offset,
    output wire [3:0]   dx,
    output wire         out,
    output reg  [11:0]  width,
    output reg  [19:0]  wsx,
    output reg          padded,
    output reg  [13:0]  pad
);
    localparam PTAPS_OFF0 = 128;
    localparam PTAPS_DX0 = 146;
    localparam PTAPS_OFF1 = 150;
    localparam PTAPS_WIDTH = 392;
    localparam PTAPS_SX = 404;
    localparam PTAPS_PAD = 418;
    localparam PTAPS_PADDED = 432;
    localparam PTAPS_OUT = 433;
    localparam ENTRY = PTAPS_OFF1 - PTAPS_OFF0;

    reg         busy_q;
    reg  [3:0]  k_q;
    reg  [13:0] sx_q;
    reg  [19:0] shifted_q;   // sx << k
    reg  [19:0] product_q;
    reg         write_q;
    reg  [3:0]  write_k_q;
    reg  [19:0] write_off_q;
    reg  [19:0] write_dxsx_q;
    reg  [3:0]  write_dx_q;
    reg         write_out_q;
    (* ram_style = "distributed" *)
    reg  [24:0] table_q [0:15];

    wire [16*ENTRY-1:0] entries = {{4*ENTRY{1'b0}}, payload[12*ENTRY-1:0]};
    wire [21:0] entry = entries[k_q*ENTRY +: ENTRY];
    wire [17:0] entry_off = entry[17:0];
    wire [3:0]  entry_dx = entry[PTAPS_DX0 - PTAPS_OFF0 +: 4];
    wire [11:0] new_width = payload[PTAPS_WIDTH - PTAPS_OFF0 +: 12];
    wire [13:0] new_sx = payload[PTAPS_SX - PTAPS_OFF0 +: 14];
    wire [15:0] width_bits = {4'd0, new_width};
    wire [15:0] out_bits = {4'd0, payload[PTAPS_OUT - PTAPS_OFF0 +: 12]};
    wire [19:0] sx20 = {6'd0, sx_q};
    wire [19:0] low;
    wire [19:0] dxsx;

    // dx sx = (dx mod 8) sx - 8 sx when dx < 0
    times_xd #(.WIDTH(20)) u_dx (.s(sx20), .xd(entry_dx[2:0]), .y(low));
    assign dxsx = low - ({sx20[16:0], 3'd0} & {20{entry_dx[3]}});

    assign busy = busy_q;
    assign done = busy_q && k_q == 4'd12;
    assign sx = sx_q;
    assign {out, dx, offset} = table_q[index];

    always @(posedge clk) begin
        if (start) begin
            k_q <= 4'd0;
            sx_q <= new_sx;
            shifted_q <= {6'd0, new_sx};
            product_q <= 20'd0;
        end else begin
            k_q <= k_q + 4'd1;
            shifted_q <= {shifted_q[18:0], 1'b0};
            product_q <= product_q + (shifted_q & {20{width_bits[k_q]}});
        end
        write_k_q <= k_q;
        write_off_q <= {{2{entry_off[17]}}, entry_off};
        write_dxsx_q <= dxsx;
        write_dx_q <= entry_dx;
        write_out_q <= out_bits[k_q];
        if (write_q)
            table_q[write_k_q] <= {write_out_q, write_dx_q, write_off_q + write_dxsx_q};
        if (done) begin
            width <= new_width;
            wsx <= product_q;
            padded <= payload[PTAPS_PADDED - PTAPS_OFF0];
            pad <= payload[PTAPS_PAD - PTAPS_OFF0 +: 14];
        end
        write_q <= busy_q && !done;
        busy_q <= start || (busy_q && !done);
        if (rst) begin
            write_q <= 1'b0;
            busy_q <= 1'b0;
        end
    end
endmodule
`default_nettype wire
