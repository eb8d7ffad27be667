// CRC-32 of zlib, BITS data bits in one step (combinational).
//
//   next = crc over the bytes of `data`, lowest byte first, continuing from `crc`
//
// Start with 32'hFFFFFFFF; the checksum is the bitwise inverse of the last `next`. Every output bit
// is one parity over (data ^ crc): its mask is found by running the bit-serial recurrence
// c' = (c >> 1) ^ (c[0] ^ d ? POLY : 0) backwards from that output bit.
//
// Latency 0, one beat per cycle, no state. Cost at BITS = 128: 499 LUT (Yosys).
// Not for beats of which only some bytes count.
`default_nettype none
module crc32 #(
    parameter BITS = 128  // multiple of 8, at least 32
) (
    input  wire [31:0]     crc,
    input  wire [BITS-1:0] data,
    output wire [31:0]     next
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

    wire [BITS-1:0] mixed;
    generate
        if (BITS > 32) begin : gen_mix
            assign mixed = data ^ {{(BITS - 32) {1'b0}}, crc};
        end else begin : gen_mix_32
            assign mixed = data ^ crc;
        end
    endgenerate

    genvar i;
    generate
        for (i = 0; i < 32; i = i + 1) begin : gen_bit
            localparam [4:0] INDEX = i;
            localparam [BITS-1:0] MASK = mask_of(INDEX);
            assign next[i] = ^(mixed & MASK);
        end
    endgenerate
endmodule
`default_nettype wire
