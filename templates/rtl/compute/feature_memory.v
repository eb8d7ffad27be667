// feature_memory: one feature memory (FM or TM), words of WIDTH = LANES x ACT_BITS bits.
//
//   we[g] -> mem[waddr] lanes g LANES/8 .. (g+1) LANES/8 - 1 = wword      (8 lane groups)
//   rword = mem[raddr], 2 cycles after re (block RAM read, output register)
//
// ULTRA = 0: pieces of 2,048 words x 18 bits, a shape of a block RAM with a write enable for every
// 9 bits, and 36 bits wide for up to 512 words behind the last whole 1,024. A lane group takes
// whole ninths; what is left of it, 4 bits or fewer, lies in a memory 4 bits wide where that takes
// fewer block RAMs. So 2,048 m words need a read multiplexer of m inputs: one LUT a bit up to 8,192
// words.
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
    localparam BEHIND = WORDS % 1024;
    localparam TAIL = BEHIND <= 512 ? BEHIND : 0;  // words in pieces of 36 bits
    localparam FIRST = WORDS - TAIL;               // the first of them
    localparam BANKS = (FIRST + 2047) / 2048;
    localparam WAYS = BANKS + (TAIL != 0 ? 1 : 0);  // the tail is the last
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
            wire [WAYS-1:0]     wway;     // one-hot
            wire [WAYS-1:0]     rway;     // of the word that is read
            wire [13:0]         wat = {{14 - AW{1'b0}}, waddr};
            wire [13:0]         rat = {{14 - AW{1'b0}}, raddr};
            reg  [3:0]          part_q;   // of the address that is read

            localparam [3:0] TAIL_AT = FIRST[13:10];
            wire unused_at = &{1'b0, part_q, wat, rat};

            always @(posedge clk) if (re) part_q <= rat[13:10];
            for (b = 0; b < WAYS; b = b + 1) begin : gen_way
                localparam [2:0] NUMBER = b;
                if (WAYS == 1) begin : gen_only
                    assign wway[b] = 1'b1;
                    assign rway[b] = 1'b1;
                end else if (b == BANKS) begin : gen_tail
                    assign wway[b] = wat[13:10] == TAIL_AT;
                    assign rway[b] = part_q == TAIL_AT;
                end else begin : gen_bank
                    assign wway[b] = wat[13:11] == NUMBER && !(TAIL != 0 && wway[WAYS-1]);
                    assign rway[b] = part_q[3:1] == NUMBER && !(TAIL != 0 && rway[WAYS-1]);
                end
            end
            for (g = 0; g < 8; g = g + 1) begin : gen_group
                localparam TAKEN = NARROW ? 9 * NINTHS : GROUP;
                assign wninths[g*9*NINTHS +: TAKEN] = wword[g*GROUP +: TAKEN];
                assign rword[g*GROUP +: TAKEN] = rninths[g*9*NINTHS +: TAKEN];
                if (TAKEN < 9 * NINTHS) begin : gen_pad
                    assign wninths[g*9*NINTHS + TAKEN +: 9*NINTHS - TAKEN] =
                        {9*NINTHS - TAKEN{1'b0}};
                    wire unused = &{1'b0, rninths[g*9*NINTHS + TAKEN +: 9*NINTHS - TAKEN]};
                end
                if (NARROW) begin : gen_narrow
                    (* ram_style = "auto" *)
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
            wire [18*PAIRS*WAYS-1:0] read;  // way 0 lowest
            for (b = 0; b < BANKS; b = b + 1) begin : gen_bank
                localparam DEPTH = b < BANKS - 1 ? 2048 : FIRST - 2048 * b;
                localparam DEPTH_AW = DEPTH > 1 ? $clog2(DEPTH) : 1;
                for (p = 0; p < PAIRS; p = p + 1) begin : gen_pair
                    (* ram_style = "auto" *)
                    reg [17:0] mem [0:DEPTH-1];
                    reg [17:0] read_q;
                    integer    k;

                    always @(posedge clk) begin
                        for (k = 0; k < 2; k = k + 1)
                            if (we[(2 * p + k) / NINTHS] && wway[b])
                                mem[wat[DEPTH_AW-1:0]][9*k +: 9] <= wninths[18*p + 9*k +: 9];
                        if (re) read_q <= mem[rat[DEPTH_AW-1:0]];
                    end

                    assign read[18*(PAIRS*b + p) +: 18] = read_q;
                end
            end
            if (TAIL != 0) begin : gen_tail
                localparam DEPTH_AW = TAIL > 1 ? $clog2(TAIL) : 1;
                for (p = 0; p < PAIRS; p = p + 2) begin : gen_quad
                    (* ram_style = "auto" *)
                    reg [35:0] mem [0:TAIL-1];
                    reg [35:0] read_q;
                    integer    k;

                    always @(posedge clk) begin
                        for (k = 0; k < 4; k = k + 1)
                            if (we[(2 * p + k) / NINTHS] && wway[WAYS-1])
                                mem[wat[DEPTH_AW-1:0]][9*k +: 9] <= wninths[18*p + 9*k +: 9];
                        if (re) read_q <= mem[rat[DEPTH_AW-1:0]];
                    end

                    assign read[18*(PAIRS*BANKS + p) +: 36] = read_q;
                end
            end

            reg [18*PAIRS-1:0] word;
            reg [18*PAIRS-1:0] word_q;
            integer            w;

            always @* begin
                word = {18*PAIRS{1'b0}};
                for (w = 0; w < WAYS; w = w + 1)
                    word = word | (read[18*PAIRS*w +: 18*PAIRS] & {18*PAIRS{rway[w]}});
            end
            always @(posedge clk) word_q <= word;

            assign rninths = word_q;
        end
    endgenerate
endmodule
`default_nettype wire
