// dma_pack: beats of the read bus to words, words to beats of the write bus, and the CRC.
//
//   beats -> FIFO -> beat register -> word register (lane 0 lowest) -> word, f_word
//   word of the weight store, 2 cycles after st_re -------^    |
//   fr_word of FM or TM ----------------------------------^    +-> wrd_data, beat by beat
//
// `take` begins an instruction: `beats` to come (kept: words of the store). A word is there for
// one cycle with word_v, and stays while `hold`. `last` with `step`: the last beat (kept: word)
// is taken, or sent. The CRC-32 is that of the beats taken since `take`.
// Names: rdd_*, wrd_* data of the AXI masters, st_* the weight store, fr_* a word of FM or TM; q_*
// the FIFO's oldest beat; beat_*, word_* the two registers (_v: full); part: beat of the word.
// Timing: a beat a cycle; a word 2 cycles after its last beat left the FIFO. Reset: control only.
// Cost: a CRC-32 of AXI_BITS, a word register with three sources, the FIFO in LUT RAM.
`default_nettype none
module dma_pack #(
    parameter LANES     = 16,
    parameter AXI_BITS  = 128,
    parameter BEAT_BITS = 21
) (
    input wire clk,
    input wire rst,

    // Instruction.
    input wire                 take,
    input wire [BEAT_BITS-1:0] beats,
    input wire                 bytes,     // a word has half the beats: a byte per lane
    input wire                 kept,
    input wire [         31:0] crc,
    input wire                 reading,   // beats or words of the store are wanted
    input wire                 hold,      // the word cannot leave yet

    // Read data, weight store.
    input  wire                rdd_valid,
    output wire                rdd_ready,
    input  wire [AXI_BITS-1:0] rdd_data,
    output wire                st_re,
    input  wire [16*LANES-1:0] st_word,

    output wire [16*LANES-1:0] word,
    output wire [16*LANES-1:0] f_word,    // as FM and TM take it
    output reg                 word_v,
    output wire                step,
    output wire                last,
    output wire                drained,   // no beat before the word register
    output wire                crc_ok,    // kept: it was checked when the store was filled

    // STORE: fr_word becomes the word; send: wrd_data is taken.
    input  wire                fr_take,
    input  wire [16*LANES-1:0] fr_word,
    input  wire                sending,
    input  wire                send,
    output wire [AXI_BITS-1:0] wrd_data,
    output wire [BEAT_BITS-1:0] left,     // beats not yet taken or sent
    output wire                part_last  // the last beat of the word
);
    localparam WORD = 16 * LANES;
    localparam PER_WORD = WORD / AXI_BITS;  // beats of a word
    localparam PER_LOG2 = $clog2(PER_WORD);

    wire q_valid;
    wire [AXI_BITS-1:0] q_data;
    reg beat_v;
    reg [AXI_BITS-1:0] beat_q;
    reg [WORD-1:0] word_q;
    reg [PER_LOG2-1:0] part_q;
    reg [BEAT_BITS-1:0] left_q;
    reg bytes_q;
    reg kept_q;
    reg [1:0] fetched_q;  // a word of the store is on its way
    reg [31:0] want_q;
    reg [31:0] crc_q;
    wire [31:0] crc_next;

    wire more = left_q != {BEAT_BITS{1'b0}};
    wire take_beat = reading && !kept_q && q_valid && more && (!beat_v || !hold);
    wire fetch = reading && kept_q && more;
    wire use_beat = beat_v && !hold;
    // Byte words have half the beats: the top bit of the counter does not count.
    localparam [PER_LOG2-1:0] HALF = PER_WORD[PER_LOG2:1];

    assign part_last = bytes_q ? &{part_q | HALF} : &part_q;
    assign st_re = fetch;
    assign word = word_q;
    assign step = take_beat || fetch || send;
    assign last = left_q == {{(BEAT_BITS - 1) {1'b0}}, 1'b1};
    assign left = left_q;
    assign drained = !beat_v && fetched_q == 2'd0;
    assign crc_ok = kept_q || crc_q == ~want_q;
    assign wrd_data = word_q[AXI_BITS-1:0];

    fifo_lut #(
        .WIDTH(AXI_BITS),
        .DEPTH(16)
    ) u_beats (
        .clk(clk),
        .rst(rst),
        .s_valid(rdd_valid),
        .s_ready(rdd_ready),
        .s_data(rdd_data),
        .m_valid(q_valid),
        .m_ready(take_beat),
        .m_data(q_data)
    );

    crc32 #(
        .BITS(AXI_BITS)
    ) u_crc (
        .crc (crc_q),
        .data(beat_q),
        .next(crc_next)
    );

    genvar lane;
    generate
        for (lane = 0; lane < LANES; lane = lane + 1) begin : gen_lane
            // Bytes arrive in the upper half of the word register.
            assign f_word[16*lane+:16] =
                bytes_q ? {8'd0, word_q[8*LANES+8*lane+:8]} : word_q[16*lane+:16];
        end
    endgenerate

    wire [AXI_BITS-1:0] shift_in = sending ? {AXI_BITS{1'b0}} : beat_q;

    always @(posedge clk) begin
        if (take_beat) beat_q <= q_data;
        beat_v <= take_beat || (beat_v && hold);
        if (use_beat || send) word_q <= {shift_in, word_q[WORD-1:AXI_BITS]};
        if (fr_take) word_q <= fr_word;
        if (fetched_q[1]) word_q <= st_word;
        fetched_q <= {fetched_q[0], fetch};
        word_v <= (use_beat && part_last) || hold || fetched_q[1];
        if (use_beat || send) part_q <= part_last ? {PER_LOG2{1'b0}} : part_q + 1'b1;
        if (use_beat) crc_q <= crc_next;
        if (step) left_q <= left_q - 1'b1;
        if (take) begin
            bytes_q <= bytes;
            kept_q <= kept;
            left_q <= beats;
            want_q <= crc;
            crc_q <= 32'hFFFFFFFF;
        end
        if (rst) begin
            beat_v <= 1'b0;
            word_v <= 1'b0;
            part_q <= {PER_LOG2{1'b0}};
            fetched_q <= 2'd0;
        end
    end
endmodule
`default_nettype wire
