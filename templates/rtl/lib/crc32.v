// CRC-32 of zlib over beats of BITS bits, a beat per cycle.
//
//   crc = that of the bytes of all `data` with `we` since `start`, lowest byte first, not inverted
//
// The checksum is the bitwise inverse of crc. Every bit of the next crc is one parity over
// (data ^ crc): its mask is found by running the bit-serial recurrence
// c' = (c >> 1) ^ (c[0] ^ d ? POLY : 0) backwards from that bit. The parity over the data is a
// register before that over crc.
//
// Latency: data in cycle t is in crc in t + 2; `start` in t: crc is that of no byte in t + 1.
// Reset: none, `start` is one. Cost at BITS = 128: 591 LUT (Yosys), 65 FF; keep_hierarchy
// keeps its depth. Not for beats of which only some bytes count.
`default_nettype none
(* keep_hierarchy *)
module crc32 #(
    parameter BITS = 128  // multiple of 8, at least 32
) (
    input  wire            clk,
    input  wire            start,
    input  wire            we,
    input  wire [BITS-1:0] data,
    output reg  [31:0]     crc
);
    localparam [31:0] POLY = 32'hEDB88320;

    generate
        if (BITS < 32 || BITS % 8 != 0) begin : gen_guard
            ERROR_crc32_BITS_must_be_a_multiple_of_8_and_at_least_32 u_stop ();
        end
    endgenerate

    // Which of the BITS inputs reach output bit `index`.
    function [BITS-1:0] mask_of;
        input [4:0] index;
        integer j;
        reg [31:0] row;
        reg hit;
        begin
            row = 32'd1 << index;
            mask_of = {BITS{1'b0}};
            for (j = 0; j < BITS; j = j + 1) begin
                hit = ^(row & POLY);
                mask_of = {mask_of[BITS-2:0], hit};  // last data bit first
                row = {row[30:0], hit};
            end
        end
    endfunction

    reg we_q;
    reg [31:0] part_q;  // of the data
    wire [31:0] part;
    wire [31:0] turned;  // of crc

    genvar i;
    generate
        for (i = 0; i < 32; i = i + 1) begin : gen_bit
            localparam [4:0] INDEX = i;
            localparam [BITS-1:0] MASK = mask_of(INDEX);
            assign part[i] = ^(data & MASK);
            assign turned[i] = ^(crc & MASK[31:0]);
        end
    endgenerate

    always @(posedge clk) begin
        we_q   <= we;
        part_q <= part;
        if (we_q) crc <= turned ^ part_q;
        if (start) crc <= 32'hFFFFFFFF;
    end
endmodule
`default_nettype wire
