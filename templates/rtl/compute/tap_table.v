// tap_table: executes SET taps and answers the look-ups of the MAC source.
//
//   table[k] = {out_k, dx_k, off_k + dx_k sx}, k = 0..11;   wsx = width sx      (all modulo 2**20)
//
// by adders only: one entry and one bit of width per cycle. `start` in cycle t: word holds until
// t + 13; the entries are written in t + 5 .. t + 16, width, wsx, padded and pad change in t + 14.
// Look-up: combinational.
// padded, pad and out are for mac_source: columns outside the image, and taps with out, read word
// pad.
// Reset: control only. Cost: about 280 LUTs, 20 of them RAM, 200 flip-flops.
`default_nettype none
module tap_table (
    input  wire         clk,
    input  wire         rst,
    input  wire         start,
    input  wire [511:0] word,     // the instruction
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
    localparam ENTRY = 18 + 4;  // {dx, off}

    wire [17:0] off0, off1, off2, off3, off4, off5, off6, off7, off8, off9, off10, off11;
    wire [3:0]  dx0, dx1, dx2, dx3, dx4, dx5, dx6, dx7, dx8, dx9, dx10, dx11;
    wire [11:0] new_width;
    wire [13:0] new_sx;
    wire [13:0] new_pad;
    wire        new_padded;
    wire [11:0] new_out;

    decode_set_taps u_fields (
        .word(word),
        .off0(off0), .dx0(dx0), .off1(off1), .dx1(dx1),
        .off2(off2), .dx2(dx2), .off3(off3), .dx3(dx3),
        .off4(off4), .dx4(dx4), .off5(off5), .dx5(dx5),
        .off6(off6), .dx6(dx6), .off7(off7), .dx7(dx7),
        .off8(off8), .dx8(dx8), .off9(off9), .dx9(dx9),
        .off10(off10), .dx10(dx10), .off11(off11), .dx11(dx11),
        .width(new_width), .sx(new_sx), .pad(new_pad), .padded(new_padded), .out(new_out)
    );

    reg         busy_q;
    reg  [3:0]  k_q;
    reg  [13:0] sx_q;
    reg  [19:0] shifted_q;   // sx << k
    reg  [19:0] product_q;
    reg         write_q;
    reg  [3:0]  write_k_q;
    reg  [19:0] write_at_q;     // off + dx sx
    reg  [3:0]  write_dx_q;
    reg         write_out_q;
    // the parts of dx sx, one cycle before
    reg         part_on;
    reg  [3:0]  part_k;
    reg  [19:0] part_off;
    reg  [19:0] part_low;       // of dx's low two bits
    reg  [19:0] part_high;      // .. of its high two: 4 sx and - 8 sx
    reg  [3:0]  part_dx;
    reg         part_out;
    reg         sum_on;
    reg  [3:0]  sum_k;
    reg  [19:0] sum_off, sum_dxsx;
    reg  [3:0]  sum_dx;
    reg         sum_out;
    (* ram_style = "distributed" *)
    reg  [24:0] table_q [0:15];

    wire [16*ENTRY-1:0] entries = {
        {4*ENTRY{1'b0}}, dx11, off11, dx10, off10, dx9, off9, dx8, off8, dx7, off7, dx6, off6,
        dx5, off5, dx4, off4, dx3, off3, dx2, off2, dx1, off1, dx0, off0
    };
    reg  [21:0] entry;
    reg         entry_out;
    reg  [3:0]  entry_k;
    reg         entry_on;
    wire [17:0] entry_off = entry[17:0];
    wire [3:0]  entry_dx = entry[18 +: 4];
    reg  [11:0] bits_q;         // of the width that are still to come
    wire [15:0] out_bits = {4'd0, new_out};
    wire [19:0] sx20 = {6'd0, sx_q};

    wire        done = busy_q && k_q == 4'd12;
    assign sx = sx_q;
    assign {out, dx, offset} = table_q[index];

    always @(posedge clk) begin
        if (start) begin
            k_q <= 4'd0;
            sx_q <= new_sx;
            shifted_q <= {6'd0, new_sx};
            product_q <= 20'd0;
            bits_q <= new_width;
        end else begin
            k_q <= k_q + 4'd1;
            shifted_q <= {shifted_q[18:0], 1'b0};
            product_q <= product_q + (shifted_q & {20{bits_q[0]}});
            bits_q <= {1'b0, bits_q[11:1]};
        end
        entry <= entries[k_q*ENTRY +: ENTRY];
        entry_out <= out_bits[k_q];
        entry_k <= k_q;
        entry_on <= busy_q && !done;
        part_k <= entry_k;
        part_off <= {{2{entry_off[17]}}, entry_off};
        part_low <= (sx20 & {20{entry_dx[0]}}) + ({sx20[18:0], 1'b0} & {20{entry_dx[1]}});
        part_high <= ({sx20[17:0], 2'd0} & {20{entry_dx[2]}})
            - ({sx20[16:0], 3'd0} & {20{entry_dx[3]}});
        part_dx <= entry_dx;
        part_out <= entry_out;
        sum_k <= part_k;
        sum_off <= part_off;
        sum_dxsx <= part_low + part_high;
        sum_dx <= part_dx;
        sum_out <= part_out;
        write_k_q <= sum_k;
        write_at_q <= sum_off + sum_dxsx;
        write_dx_q <= sum_dx;
        write_out_q <= sum_out;
        if (write_q)
            table_q[write_k_q] <= {write_out_q, write_dx_q, write_at_q};
        if (done) begin
            width <= new_width;
            wsx <= product_q;
            padded <= new_padded;
            pad <= new_pad;
        end
        part_on <= entry_on;
        sum_on <= part_on;
        write_q <= sum_on;
        busy_q <= start || (busy_q && !done);
        if (rst) begin
            entry_on <= 1'b0;
            part_on <= 1'b0;
            sum_on <= 1'b0;
            write_q <= 1'b0;
            busy_q <= 1'b0;
        end
    end
endmodule
`default_nettype wire
