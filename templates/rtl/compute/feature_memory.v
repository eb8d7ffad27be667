// feature_memory: one feature memory (FM or TM), words of WIDTH = LANES x ACT_BITS bits.
//
//   we[g] -> mem[waddr] lanes g LANES/8 .. (g+1) LANES/8 - 1 = wword      (8 lane groups)
//   rword = mem[raddr], 2 cycles after re (block RAM read, output register)
//
// ULTRA = 0: pieces of 2,048 words x 18 bits, the shape of a block RAM with a write enable for
// every 9 bits. A lane group takes whole ninths; what is left of it, 4 bits or fewer, lies in a
// memory 4 bits wide where that takes fewer block RAMs. So words of 2,048 m need a read multiplexer
// of m inputs: one LUT a bit up to 8,192 words.
// ULTRA = 1: a memory for each group, block or ultra RAM as the tool chooses.
//
// Throughput: one write and one read per cycle. A read in the cycle of a write of the same word
// returns the old word. Reset: none. Cost: WORDS x WIDTH bits of memory, as estimated in
// hwgen/engine/resources.py; WIDTH flip-flops (inside the RAM where the tool uses its output
// register).
`default_nettype none
module feature_memory #(
    parameter WORDS = 1024,
    parameter WIDTH = 256,  // a multiple of 8
    parameter AW = 10,      // clog2(WORDS)
    parameter ULTRA = 0     // 1: the part has ultra RAM
) (
    input  wire             clk,
    input  wire [7:0]       we,
    input  wire [AW-1:0]    waddr,
    input  wire [WIDTH-1:0] wword,
    input  wire             re,
    input  wire [AW-1:0]    raddr,
    output wire [WIDTH-1:0] rword
);
    localparam GROUP = WIDTH / 8;
    localparam BANK_AW = AW < 11 ? AW : 11;
    localparam BANK = 1 << BANK_AW;
    localparam BANKS = (WORDS + BANK - 1) / BANK;
    localparam REST = GROUP % 9;
    localparam NARROW = REST != 0 && REST <= 4 && WORDS > 2048;  // the rest in a memory of its own
    localparam NINTHS = GROUP / 9 + (REST != 0 && !NARROW ? 1 : 0);  // of a group
    localparam PAIRS = 4 * NINTHS;  // of all groups

    generate
        if (WIDTH % 8 != 0) begin : gen_guard_width
            ERROR_feature_memory_WIDTH_must_be_a_multiple_of_8 u_stop ();
        end
        if ((1 << AW) < WORDS) begin : gen_guard_aw
            ERROR_feature_memory_AW_must_be_clog2_WORDS u_stop ();
        end
    endgenerate

    genvar g, p, b;
    generate
        if (ULTRA != 0) begin : gen_ultra
            for (g = 0; g < 8; g = g + 1) begin : gen_group
                (* ram_style = "auto" *)  // too large for anything but block or ultra RAM
                reg [GROUP-1:0] mem [0:WORDS-1];
                reg [GROUP-1:0] read_q;
                reg [GROUP-1:0] word_q;

                always @(posedge clk) begin
                    if (we[g]) mem[waddr] <= wword[g*GROUP +: GROUP];
                    if (re) read_q <= mem[raddr];
                    word_q <= read_q;
                end

                assign rword[g*GROUP +: GROUP] = word_q;
            end
        end else begin : gen_banks
            wire [18*PAIRS-1:0] wninths;  // group 0 lowest, padded
            wire [18*PAIRS-1:0] rninths;
            wire [BANKS-1:0]    wbank;    // one-hot
            wire [BANKS-1:0]    rbank;    // of the word that is read

            if (BANKS == 1) begin : gen_one
                assign wbank = 1'b1;
                assign rbank = 1'b1;
            end else begin : gen_select
                reg [AW-BANK_AW-1:0] bank_q;
                always @(posedge clk) if (re) bank_q <= raddr[AW-1:BANK_AW];
                for (b = 0; b < BANKS; b = b + 1) begin : gen_bank
                    assign wbank[b] = waddr[AW-1:BANK_AW] == b;
                    assign rbank[b] = bank_q == b;
                end
            end
            for (g = 0; g < 8; g = g + 1) begin : gen_group
                localparam TAKEN = NARROW ? 9 * NINTHS : GROUP;
                assign wninths[g*9*NINTHS +: TAKEN] = wword[g*GROUP +: TAKEN];
                assign rword[g*GROUP +: TAKEN] = rninths[g*9*NINTHS +: TAKEN];
                if (TAKEN < 9 * NINTHS) begin : gen_pad
                    assign wninths[g*9*NINTHS + TAKEN +: 9*NINTHS - TAKEN] = 0;
                    wire unused = &{1'b0, rninths[g*9*NINTHS + TAKEN +: 9*NINTHS - TAKEN]};
                end
                if (NARROW) begin : gen_narrow
                    reg [REST-1:0] mem [0:WORDS-1];
                    reg [REST-1:0] read_q;
                    reg [REST-1:0] word_q;

                    always @(posedge clk) begin
                        if (we[g]) mem[waddr] <= wword[g*GROUP + 9*NINTHS +: REST];
                        if (re) read_q <= mem[raddr];
                        word_q <= read_q;
                    end

                    assign rword[g*GROUP + 9*NINTHS +: REST] = word_q;
                end
            end
            for (p = 0; p < PAIRS; p = p + 1) begin : gen_pair
                localparam LOW = 2 * p / NINTHS;         // the groups of the two ninths
                localparam HIGH = (2 * p + 1) / NINTHS;
                wire [18*BANKS-1:0] read;
                reg  [17:0]         word_q;
                reg  [17:0]         word;
                integer             k;

                for (b = 0; b < BANKS; b = b + 1) begin : gen_bank
                    localparam DEPTH = b < BANKS - 1 ? BANK : WORDS - b * BANK;
                    reg [17:0] mem [0:DEPTH-1];
                    reg [17:0] read_q;

                    always @(posedge clk) begin
                        if (we[LOW] && wbank[b])
                            mem[waddr[BANK_AW-1:0]][8:0] <= wninths[18*p +: 9];
                        if (we[HIGH] && wbank[b])
                            mem[waddr[BANK_AW-1:0]][17:9] <= wninths[18*p + 9 +: 9];
                        if (re) read_q <= mem[raddr[BANK_AW-1:0]];
                    end

                    assign read[18*b +: 18] = read_q;
                end

                always @* begin
                    word = 18'd0;
                    for (k = 0; k < BANKS; k = k + 1)
                        word = word | (read[18*k +: 18] & {18{rbank[k]}});
                end
                always @(posedge clk) word_q <= word;

                assign rninths[18*p +: 18] = word_q;
            end
        end
    endgenerate
endmodule
`default_nettype wire
