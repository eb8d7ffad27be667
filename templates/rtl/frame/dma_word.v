// dma_word: the word register of the DMA, lane 0 lowest.
//
//   shift_in, or sent while sending: a beat enters from above, the others move down; with `bytes`
//   the beat's bytes enter as 16 bits each. fr_take, st_take: a whole word of FM or TM, of the
//   weight store, instead.
//
// Combinational into one register. keep_hierarchy: Yosys maps its enable, with the most sinks of
// the DMA, as shallow as it can. Reset: none. Cost: a LUT a bit.
`default_nettype none
(* keep_hierarchy *)
module dma_word #(
    parameter LANES    = 16,
    parameter AXI_BITS = 128,
    parameter STORE    = 0     // 0: no st_take
) (
    input  wire                clk,
    input  wire                shift_in,
    input  wire                sending,
    input  wire                sent,
    input  wire                bytes,
    input  wire [AXI_BITS-1:0] beat,
    input  wire                fr_take,
    input  wire [16*LANES-1:0] fr_word,
    input  wire                st_take,
    input  wire [16*LANES-1:0] st_word,
    output reg  [16*LANES-1:0] word
);
    localparam WORD = 16 * LANES;

    localparam LOW = WORD - 2 * AXI_BITS;  // bits below a beat of bytes

    wire [WORD-1:0] beats = {beat, word[WORD-1:AXI_BITS]};
    wire [WORD-1:0] shifted;
    wire stored = STORE != 0 && st_take;
    wire shift = shift_in || (sending && sent);

    genvar b;
    generate
        // (and, not a choice of 0: as that it would become a reset with an enable of its own)
        for (b = 0; b < AXI_BITS / 8; b = b + 1) begin : gen_byte
            assign shifted[LOW+16*b+8+:8] = beats[LOW+16*b+8+:8] & {8{!bytes}};
            assign shifted[LOW+16*b+:8] = bytes ? beat[8*b+:8] : beats[LOW+16*b+:8];
        end
        if (LOW != 0) begin : gen_low
            assign shifted[LOW-1:0] = bytes ? word[WORD-1:2*AXI_BITS] : beats[LOW-1:0];
        end
        if (STORE == 0) begin : gen_unused
            wire unused = &{1'b0, st_take, st_word};
        end
    endgenerate

    always @(posedge clk) begin
        if (shift || fr_take || stored) word <= fr_take ? fr_word : stored ? st_word : shifted;
    end
endmodule
`default_nettype wire
