// Weight store: parameter records that stay on chip from frame to frame.
//
//   rd_word(t + 2) = mem[rd_addr(t)] for re in cycle t; mem[wr_addr] = wr_word for we
//
// The words are in rows of 4,096, the depth of an ultra RAM, and a tail. A frame either fills the
// store (cold: the DMA writes the words of its `keep` records as
// they come from DDR) or reads it (warm). `full`: the last frame ended and nothing happened since
// that makes the contents old; `start` turns it into `warm`, which holds for the whole frame.
// `forget` (soft reset, another program or weight image) makes the next frame cold, also when it
// comes during a frame.
//
// One read or write per cycle. Reset: control only, the memory keeps its contents. Nothing checks
// the words again when they are read: a soft error in the memory stays until the next cold frame.
// Cost: WIDTH x WORDS bits of block or ultra RAM, WIDTH flip-flops, 3 flip-flops. Not for data that
// change within a frame.
`default_nettype none
module weight_store #(
    parameter WIDTH = 256,
    parameter WORDS = 1024,  // even, up to 65536
    parameter ULTRA = 0      // 1: rows in ultra RAM, the tail in block RAM
) (
    input  wire             clk,
    input  wire             rst,
    input  wire             start,     // strobe
    input  wire             finished,  // strobe: the frame ended without an error
    input  wire             forget,    // strobe
    output reg              warm,
    output reg              full,
    input  wire             we,
    input  wire [     15:0] wr_addr,
    input  wire [WIDTH-1:0] wr_word,
    input  wire             re,
    input  wire [     15:0] rd_addr,
    output wire [WIDTH-1:0] rd_word
);
    localparam ROW = 4096;  // words of an ultra RAM
    localparam ROWS = WORDS / ROW;
    localparam TAIL = WORDS % ROW;
    localparam STYLE = ULTRA != 0 ? "ultra" : "block";

    generate
        if (WORDS > 65536 || TAIL == 1) begin : gen_guard
            ERROR_weight_store_WORDS_must_be_even_and_at_most_65536 u_stop ();
        end
    endgenerate

    wire wr_tail = TAIL != 0 && {28'd0, wr_addr[15:12]} == ROWS;
    wire rd_tail = TAIL != 0 && {28'd0, rd_addr[15:12]} == ROWS;
    // Address bits above the store are not decoded; simulators do not read attributes.
    wire unused = &{1'b0, wr_addr, rd_addr, STYLE};
    reg tail_q;
    wire [WIDTH-1:0] row_word;
    wire [WIDTH-1:0] tail_word;
    reg [WIDTH-1:0] word_q;
    reg stale_q;  // forget came during this frame

    assign rd_word = word_q;

    generate
        if (ROWS != 0) begin : gen_rows
            localparam AW = $clog2(ROWS * ROW);
            (* ram_style = STYLE *)
            reg [WIDTH-1:0] mem[0:ROWS*ROW-1];
            reg [WIDTH-1:0] read_q;
            always @(posedge clk) begin
                if (we && !wr_tail) mem[wr_addr[AW-1:0]] <= wr_word;
                if (re && !rd_tail) read_q <= mem[rd_addr[AW-1:0]];
            end
            assign row_word = read_q;
        end else begin : gen_no_rows
            assign row_word = {WIDTH{1'b0}};
        end
        if (TAIL != 0) begin : gen_tail
            localparam AW = $clog2(TAIL);
            (* ram_style = "block" *)
            reg [WIDTH-1:0] mem[0:TAIL-1];
            reg [WIDTH-1:0] read_q;
            always @(posedge clk) begin
                if (we && wr_tail) mem[wr_addr[AW-1:0]] <= wr_word;
                if (re && rd_tail) read_q <= mem[rd_addr[AW-1:0]];
            end
            assign tail_word = read_q;
        end else begin : gen_no_tail
            assign tail_word = {WIDTH{1'b0}};
        end
    endgenerate

    always @(posedge clk) begin
        if (re) tail_q <= rd_tail;
        word_q <= tail_q ? tail_word : row_word;
    end

    always @(posedge clk) begin
        if (start) begin
            warm <= full;
            stale_q <= 1'b0;
        end
        if (finished) full <= !stale_q;
        if (forget) begin
            full <= 1'b0;
            stale_q <= 1'b1;
        end
        if (rst) begin
            warm <= 1'b0;
            full <= 1'b0;
            stale_q <= 1'b1;
        end
    end
endmodule
`default_nettype wire
