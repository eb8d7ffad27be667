// Weight buffer WB: WORDS words of L x 16 bits, one write port (DMA), one read port.
//
//   rd_word(t + 2) = mem[rd_addr(t)] for a read accepted in cycle t
//
// Two readers share the read port: MACS (compute) always wins, LDW is told by `ldw_ready`. Both get
// `rd_word` two cycles after their accepted request. A read of the word that is written in the same
// cycle returns the old or the new word: programs never do that.
//
// One read and one write per cycle. No reset. Cost: L x 16 x WORDS bits of block RAM.
`default_nettype none
module weight_buffer #(
    parameter LANES    = 16,
    parameter WB_WORDS = 1024  // 2 .. 65536
) (
    input  wire                clk,
    input  wire                we,
    input  wire [        15:0] wr_addr,
    input  wire [16*LANES-1:0] wr_word,
    input  wire                cmp_re,
    input  wire [        15:0] cmp_addr,
    input  wire                ldw_re,
    input  wire [        15:0] ldw_addr,
    output wire                ldw_ready,
    output wire [16*LANES-1:0] rd_word
);
    localparam AW = $clog2(WB_WORDS);

    generate
        if (WB_WORDS < 2 || WB_WORDS > 65536) begin : gen_guard
            ERROR_weight_buffer_WB_WORDS_must_be_2_to_65536 u_stop ();
        end
    endgenerate

    (* ram_style = "block" *)
    reg [16*LANES-1:0] mem[0:WB_WORDS-1];
    reg [16*LANES-1:0] read_q;
    reg [16*LANES-1:0] word_q;

    assign ldw_ready = !cmp_re;
    assign rd_word   = word_q;

    wire [15:0] rd_addr = cmp_re ? cmp_addr : ldw_addr;

    // Address bits above the buffer are not decoded.
    generate
        if (AW < 16) begin : gen_unused
            wire unused_addr = &{1'b0, wr_addr[15:AW], rd_addr[15:AW]};
        end
    endgenerate

    always @(posedge clk) begin
        if (we) mem[wr_addr[AW-1:0]] <= wr_word;
        if (cmp_re || ldw_re) read_q <= mem[rd_addr[AW-1:0]];
        word_q <= read_q;
    end
endmodule
`default_nettype wire
