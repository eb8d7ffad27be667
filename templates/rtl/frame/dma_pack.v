// dma_pack: beats of the read bus to words, words to beats of the write bus, and the CRC.
//
//   beats -> FIFO -> beat register -> word register (lane 0 lowest) -> word
//   word of the weight store, 2 cycles after st_re ---^
//   fr_word of FM or TM -> a register of its own -> wrd_data, beat by beat
//
// `take` begins an instruction: `beats` to come (or words of the store). `complete`, or `put` of
// a LOAD: in the next cycle the word register holds a word, which stays for that cycle; longer
// while it is held, which `hold_next` says a cycle before; a LOAD never holds. A word of `bytes`
// has half the beats: each byte enters the word register as 16 bits. `last` with `step`: the last
// beat or word is taken, or sent. The CRC-32 is that of the beats taken since `take`: crc_ok, a
// register, is that of all of them two cycles after `drained`.
// Names: rdd_*, wrd_* data of the AXI masters, st_* the weight store, fr_* a word of FM or TM; q_*
// the FIFO's oldest beat; beat_*, word the two registers (_v: full); part: beat of the word.
// Timing: a beat a cycle; a word 2 cycles after its last beat left the FIFO. Reset: control only.
// Cost: a CRC-32 of AXI_BITS, the word register (dma_word), the FIFO in LUT RAM.
`default_nettype none
module dma_pack #(
    parameter LANES     = 16,
    parameter AXI_BITS  = 128,
    parameter BEAT_BITS = 21,
    parameter STORE     = 0    // 1: with a weight store
) (
    input wire clk,
    input wire rst,

    // Instruction.
    input wire                 take,
    input wire [BEAT_BITS-1:0] beats,
    input wire                 none,      // beats is 0
    input wire                 single,    // beats is 1
    input wire                 bytes,     // a byte per lane
    input wire                 sign,      // .. which is signed
    input wire [         31:0] crc,
    input wire                 loading,   // LOAD: whole words, no hold
    input wire                 reading,   // beats are wanted
    input wire                 fetching,  // words of the store
    input wire                 hold_next,  // in the next cycle the word cannot leave yet

    // Read data, weight store.
    input  wire                rdd_valid,
    output wire                rdd_ready,
    input  wire [AXI_BITS-1:0] rdd_data,
    output wire                st_re,
    input  wire [16*LANES-1:0] st_word,

    output wire [16*LANES-1:0] word,
    output wire                complete,
    output reg                 put,
    output wire                step,
    output wire                last,
    output wire                drained,   // no beat before the word register
    output reg                 crc_ok,

    // STORE: fr_word becomes the word; sent while sending: wrd_data is taken.
    input  wire                fr_take,
    input  wire [16*LANES-1:0] fr_word,
    input  wire                sending,
    input  wire                sent,
    output wire [AXI_BITS-1:0] wrd_data,
    output wire [BEAT_BITS-1:0] left,     // beats not yet taken or sent
    output wire                part_last  // the last beat of the word
);
    localparam WORD = 16 * LANES;
    localparam PER_WORD = WORD / AXI_BITS;  // beats of a word
    localparam PER_LOG2 = $clog2(PER_WORD);
    localparam [BEAT_BITS-1:0] TWO = 2;
    localparam [PER_LOG2-1:0] BEFORE_LAST = {PER_LOG2{1'b1}} << 1;

    wire q_valid;
    wire [AXI_BITS-1:0] q_data;
    reg beat_v;
    reg use_q;  // beat_v and no hold: the beat goes into the word
    reg [AXI_BITS-1:0] beat_q;
    reg [PER_LOG2-1:0] part_q;
    reg [BEAT_BITS-1:0] left_q;
    reg more_q;  // left_q is not 0
    reg last_q;  // left_q is 1
    reg bytes_q;
    reg sign_q;
    reg [1:0] fetched_q;  // a word of the store is on its way
    reg [31:0] want_q;
    wire [31:0] crc_now;

    wire take_beat = reading && q_valid && more_q && (!beat_v || use_q);
    wire fetch = fetching && more_q;
    wire stay = beat_v && !use_q;
    wire send = sending && sent;
    // Byte words have half the beats: the top bit of the counter does not count.
    localparam [PER_LOG2-1:0] HALF = PER_WORD[PER_LOG2:1];

    assign part_last = bytes_q ? &{part_q | HALF} : &part_q;
    assign st_re = fetch;
    assign complete = use_q && part_last;
    assign step = take_beat || fetch || send;
    assign last = last_q;
    assign left = left_q;
    assign drained = !beat_v && fetched_q == 2'd0;

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
        .clk(clk),
        .start(take),
        .we(use_q),
        .data(beat_q),
        .crc(crc_now)
    );

    dma_word #(
        .LANES(LANES),
        .AXI_BITS(AXI_BITS),
        .STORE(STORE),
        .PART_W(PER_LOG2)
    ) u_word (
        .clk(clk),
        .put(use_q),
        .part(part_q),
        .bytes(bytes_q),
        .sign(sign_q),
        .beat(beat_q),
        .fr_take(fr_take),
        .fr_word(fr_word),
        .st_take(fetched_q[1]),
        .st_word(st_word),
        .word(word),
        .wrd_data(wrd_data)
    );

    always @(posedge clk) begin
        if (take_beat) beat_q <= q_data;
        beat_v <= take_beat || stay;
        use_q <= (take_beat || stay) && !hold_next;
        fetched_q <= {fetched_q[0], fetch};
        put <= loading && (fetched_q[0]
            || (take_beat && (beat_v ? part_q == BEFORE_LAST : &part_q)));
        if (use_q || send) part_q <= part_last ? {PER_LOG2{1'b0}} : part_q + 1'b1;
        if (step) begin
            left_q <= left_q - 1'b1;
            more_q <= !last_q;
            last_q <= left_q == TWO;
        end
        crc_ok <= crc_now == ~want_q;
        if (take) begin
            bytes_q <= bytes;
            sign_q <= sign;
            left_q <= beats;
            more_q <= !none;
            last_q <= single;
            want_q <= crc;
        end
        if (rst) begin
            beat_v <= 1'b0;
            use_q <= 1'b0;
            put <= 1'b0;
            part_q <= {PER_LOG2{1'b0}};
            fetched_q <= 2'd0;
        end
    end
endmodule
`default_nettype wire
