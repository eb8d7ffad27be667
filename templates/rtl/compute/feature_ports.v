// feature_ports: FM and TM with their port multiplexers.
//
// Read port of each memory: source, pre, mid or out word of the compute pipeline; else STORE, while
// the source reads neither: its choice of FM or TM is STORE's too (mac_source.v).
// Two of the pipeline on one port in a cycle: conflict, kept until rst (the address is then the
// OR of both). Write port, one word and one address for both memories: result of the lanes (8 lane
// groups); else DMA: f_ready says that a word with f_we in the next cycle is written. dst_next and
// its memory come a cycle before the write, so that the choice is a register.
// fm_word, tm_word: 3 cycles after their request (merged, memory, output register).
// Names: src_*, pre_*, mid_*, out_* reads of the compute pipeline, dst_* its writes; fr_* STORE's
// reads, f_* DMA's writes; fm_*, tm_* the ports of the two memories.
// Reset: control only. Cost: the memories, 150 LUTs, a LUT a bit for the word that is written.
`default_nettype none
module feature_ports #(
    parameter LANES    = 16,
    parameter ACT_BITS = 16,
    parameter FM_WORDS = 1024,
    parameter TM_WORDS = 1024,
    parameter ULTRA    = 0
) (
    input  wire                      clk,
    input  wire                      rst,
    input  wire                      src_fm_re,
    input  wire                      src_tm_re,
    input  wire [13:0]               src_addr,
    input  wire [1:0]                pre_re,     // {TM, FM}
    input  wire [1:0]                mid_re,
    input  wire [1:0]                out_re,
    input  wire [13:0]               pre_at,
    input  wire [13:0]               mid_at,
    input  wire [13:0]               out_at,
    input  wire                      dst_next,   // dst_we of the next cycle
    input  wire                      dst_next_mem,
    input  wire [13:0]               dst_at,
    input  wire [7:0]                dst_mask,
    input  wire [LANES*ACT_BITS-1:0] dst_word,
    input  wire                      f_we,
    input  wire                      f_mem,
    input  wire [13:0]               f_addr,
    input  wire [16*LANES-1:0]       f_word,
    output wire                      f_ready,
    input  wire                      fr_re,
    input  wire                      fr_mem,
    input  wire [13:0]               fr_addr,
    output wire                      fr_ready,
    output wire [LANES*ACT_BITS-1:0] fm_word,
    output wire [LANES*ACT_BITS-1:0] tm_word,
    output wire                      conflict
);
    localparam A = ACT_BITS;
    localparam W = LANES * ACT_BITS;
    localparam FM_AW = $clog2(FM_WORDS);
    localparam TM_AW = $clog2(TM_WORDS);

    // requests of each memory: source, pre, mid, out
    wire [3:0] fm_wants = {src_fm_re, pre_re[0], mid_re[0], out_re[0]};
    wire [3:0] tm_wants = {src_tm_re, pre_re[1], mid_re[1], out_re[1]};
    wire       fm_read = fm_wants != 4'd0;
    wire       tm_read = tm_wants != 4'd0;

    assign fr_ready = !src_fm_re && !src_tm_re && (fr_mem ? !tm_read : !fm_read);

    wire [13:0] fm_raddr_d = (src_addr & {14{fm_wants[3]}}) | (pre_at & {14{fm_wants[2]}})
        | (mid_at & {14{fm_wants[1]}}) | (out_at & {14{fm_wants[0]}})
        | (fr_addr & {14{!fm_read}});
    wire [13:0] tm_raddr_d = (src_addr & {14{tm_wants[3]}}) | (pre_at & {14{tm_wants[2]}})
        | (mid_at & {14{tm_wants[1]}}) | (out_at & {14{tm_wants[0]}})
        | (fr_addr & {14{!tm_read}});

    reg         conflict_q;
    reg  [3:0]  fm_wants_q;
    reg  [3:0]  tm_wants_q;
    reg         fm_re_q;
    reg         tm_re_q;
    reg  [13:0] fm_raddr_q;
    reg  [13:0] tm_raddr_q;

    always @(posedge clk) begin
        fm_re_q <= fm_read || (fr_re && !fr_mem);
        tm_re_q <= tm_read || (fr_re && fr_mem);
        fm_raddr_q <= fm_raddr_d;
        tm_raddr_q <= tm_raddr_d;
        fm_wants_q <= fm_wants;
        tm_wants_q <= tm_wants;
        // more than one bit set
        if ((fm_wants_q & (fm_wants_q - 4'd1)) != 4'd0
            || (tm_wants_q & (tm_wants_q - 4'd1)) != 4'd0)
            conflict_q <= 1'b1;
        if (rst) begin
            conflict_q <= 1'b0;
            fm_wants_q <= 4'd0;
            tm_wants_q <= 4'd0;
        end
    end

    assign conflict = conflict_q;

    // writes; copies of the choice for addresses and enables, and for every eighth of the word
    wire         dst_d = dst_next && !rst;
    wire         dst, dst_mem;
    wire [W-1:0] f_cut, wword;

    register_copy #(.WIDTH(2)) u_dst (.clk(clk), .d({dst_d, dst_next_mem}), .q({dst, dst_mem}));

    assign f_ready = !dst_next;

    wire [13:0]   waddr = dst ? dst_at : f_addr;
    wire [7:0]    fm_we = dst ? dst_mask & {8{!dst_mem}} : {8{f_we && !f_mem}};
    wire [7:0]    tm_we = dst ? dst_mask & {8{dst_mem}} : {8{f_we && f_mem}};

    genvar k;
    generate
        for (k = 0; k < 8; k = k + 1) begin : gen_eighth
            wire take;
            register_copy #(.WIDTH(1)) u_take (.clk(clk), .d(dst_d), .q(take));
            assign wword[k*W/8 +: W/8] = take ? dst_word[k*W/8 +: W/8] : f_cut[k*W/8 +: W/8];
        end
    endgenerate

    feature_memory #(.WORDS(FM_WORDS), .WIDTH(W), .AW(FM_AW), .ULTRA(ULTRA)) u_fm (
        .clk(clk), .we(fm_we), .waddr(waddr[FM_AW-1:0]), .wword(wword),
        .re(fm_re_q), .raddr(fm_raddr_q[FM_AW-1:0]), .rword(fm_word)
    );
    feature_memory #(.WORDS(TM_WORDS), .WIDTH(W), .AW(TM_AW), .ULTRA(ULTRA)) u_tm (
        .clk(clk), .we(tm_we), .waddr(waddr[TM_AW-1:0]), .wword(wword),
        .re(tm_re_q), .raddr(tm_raddr_q[TM_AW-1:0]), .rword(tm_word)
    );

    // 16 bits per lane outside
    genvar l;
    generate
        for (l = 0; l < LANES; l = l + 1) begin : gen_lane
            assign f_cut[l*A +: A] = f_word[l*16 +: A];
            if (A < 16) begin : gen_cut
                wire unused = &{1'b0, f_word[l*16 + A +: 16 - A]};
            end
        end
    endgenerate

    wire unused_addr = &{1'b0, fm_raddr_q, tm_raddr_q, waddr};
endmodule
`default_nettype wire
