// dma_word: the word of the DMA, lane 0 lowest, in parts of a beat.
//
//   put: the beat becomes part `part`; with `bytes` its bytes, extended to 16 bits, become the
//   lanes of parts 2 part and 2 part + 1. st_take: a whole word of the weight
//   store instead. fr_take: a word of FM or TM, kept beside; wrd_data is its part `part`.
//
// Combinational into one register, which only its enable distinguishes from the other parts'.
// keep_hierarchy: Yosys maps the enables, with the most sinks of the DMA, as shallow as it can.
// Reset: none. Cost (Yosys): two LUTs a bit of a beat, LANES x 16 flip-flops, and for what STORE
// sends as many flip-flops as its word has bits and a LUT a bit of a beat; with a store one a bit.
`default_nettype none
(* keep_hierarchy *)
module dma_word #(
    parameter LANES    = 16,
    parameter AXI_BITS = 128,
    parameter STORE    = 0,    // 0: no st_take
    parameter PART_W   = 1     // clog2(16 LANES / AXI_BITS)
) (
    input  wire                clk,
    input  wire                put,
    input  wire [PART_W-1:0]   part,
    input  wire                bytes,
    input  wire                sign,     // of bytes
    input  wire [AXI_BITS-1:0] beat,
    input  wire                fr_take,
    input  wire [16*LANES-1:0] fr_word,
    input  wire                st_take,
    input  wire [16*LANES-1:0] st_word,
    output wire [16*LANES-1:0] word,
    output wire [AXI_BITS-1:0] wrd_data
);
    localparam PARTS = 1 << PART_W;

    reg [16*LANES-1:0] word_q, fr_q;
    wire stored = STORE != 0 && st_take;

    // what an even and an odd part would become: bytes from the lower, the upper half of the beat
    wire [2*AXI_BITS-1:0] come;
    genvar b, p;
    generate
        for (b = 0; b < AXI_BITS / 8; b = b + 1) begin : gen_byte
            localparam [0:0] UPPER = b >= AXI_BITS / 16;
            localparam AT = 2 * b - (UPPER ? AXI_BITS / 8 : 0);  // byte of the part
            assign come[UPPER*AXI_BITS+8*AT+:8] = bytes ? beat[8*b+:8] : beat[8*AT+:8];
            assign come[UPPER*AXI_BITS+8*AT+8+:8] = bytes ? {8{sign && beat[8*b+7]}}
                : beat[8*AT+8+:8];
        end
        for (p = 0; p < PARTS; p = p + 1) begin : gen_part
            localparam [PART_W:0] NUMBER = p;
            wire here = part == (bytes ? NUMBER[PART_W:1] : NUMBER[PART_W-1:0]);
            always @(posedge clk) begin
                if ((put && here) || stored)
                    word_q[p*AXI_BITS+:AXI_BITS] <= stored ? st_word[p*AXI_BITS+:AXI_BITS]
                        : come[(p%2)*AXI_BITS+:AXI_BITS];
            end
        end
        if (STORE == 0) begin : gen_unused
            wire unused = &{1'b0, st_take, st_word};
        end
    endgenerate

    always @(posedge clk) if (fr_take) fr_q <= fr_word;

    assign word = word_q;
    assign wrd_data = fr_q[part*AXI_BITS+:AXI_BITS];
endmodule
`default_nettype wire
