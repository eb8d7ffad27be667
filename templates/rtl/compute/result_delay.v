// result_delay: carries what a result needs later to its stage of the lanes.
//
//   inputs AHEAD cycles before stage 0; residual requests at PRE_AT - READ, MID_AT - READ,
//   OUT_AT - READ (memories answer READ cycles later), their memory select and whether there is
//   one at PRE_AT, MID_AT, OUT_AT; destination at Y_AT, and whether there is one a cycle before;
//   statistics at ACC_AT;
//   `retired` in Y_AT, the cycle of the instruction's last write.
//
// Names: pre, mid, out residual streams; dst, bit destinations. _en: the result has one; _re, _at
// the request with {mem, addr}; _on, _sel when its word is there: whether there is one, and its
// memory.
// So every instruction in flight keeps its own addresses and enables. Throughput one result per
// cycle. Reset: valid flags only. Cost: about 80 shift-register LUTs, 360 flip-flops.
`default_nettype none
module result_delay #(
    parameter PRE_AT = 8,
    parameter MID_AT = 16,
    parameter OUT_AT = 22,
    parameter Y_AT = 26,
    parameter ACC_AT = 6,
    parameter AHEAD = 2,
    parameter READ = 3
) (
    input  wire        clk,
    input  wire        rst,
    // AHEAD cycles before stage 0
    input  wire        step,
    input  wire [2:0]  retire,     // how many instructions end
    input  wire        pre_en,
    input  wire        mid_en,
    input  wire        out_en,
    input  wire        dst_en,
    input  wire        bit_en,
    input  wire [14:0] pre,        // {mem, addr}
    input  wire [14:0] mid,
    input  wire [14:0] out,
    input  wire [14:0] dst,
    input  wire [7:0]  dst_mask,
    input  wire [15:0] bit_addr,
    input  wire        stat,       // the last beat of a sum (phase 0) or sum of squares (1)
    input  wire        stat_phase,
    // later
    output wire [1:0]  pre_re,     // {TM, FM}
    output wire [1:0]  mid_re,
    output wire [1:0]  out_re,
    output wire [13:0] pre_at,
    output wire [13:0] mid_at,
    output wire [13:0] out_at,
    output wire        pre_sel,
    output wire        mid_sel,
    output wire        out_sel,
    output wire        pre_on,
    output wire        mid_on,
    output wire        out_on,
    output wire        dst_next,   // dst_we of the next cycle, and its memory
    output wire        dst_next_mem,
    output wire        dst_we,
    output wire        bit_we,
    output wire [14:0] dst_at,
    output wire [7:0]  dst_mask_at,
    output wire [15:0] bit_at,
    output wire [2:0]  retired,
    output wire        acc_stat,
    output wire        acc_phase
);
    generate
        if (PRE_AT < READ || MID_AT < READ || OUT_AT < READ || Y_AT < 1 || ACC_AT < 1)
        begin : gen_guard
            ERROR_result_delay_stages_must_be_at_least_READ u_stop ();
        end
    endgenerate

    // what memories and lanes take comes from a register, not from a shift register
    wire [13:0] pre_next, mid_next, out_next;
    wire [1:0]  pre_word, mid_word, out_word;

    delay_line #(.WIDTH(2), .DEPTH(PRE_AT - READ + AHEAD), .RESET(1)) u_pre_re (
        .clk(clk), .rst(rst), .d({2{step && pre_en}} & {pre[14], !pre[14]}), .q(pre_re)
    );
    delay_line #(.WIDTH(14), .DEPTH(PRE_AT - READ + AHEAD - 1), .RESET(0)) u_pre (
        .clk(clk), .rst(rst), .d(pre[13:0]), .q(pre_next)
    );
    register_copy #(.WIDTH(14)) u_pre_at (.clk(clk), .d(pre_next), .q(pre_at));
    delay_line #(.WIDTH(2), .DEPTH(READ - 1), .RESET(0)) u_pre_sel (
        .clk(clk), .rst(rst), .d({|pre_re, pre_re[1]}), .q(pre_word)
    );
    register_copy #(.WIDTH(2)) u_pre_on (.clk(clk), .d(pre_word), .q({pre_on, pre_sel}));
    delay_line #(.WIDTH(2), .DEPTH(MID_AT - READ + AHEAD), .RESET(1)) u_mid_re (
        .clk(clk), .rst(rst), .d({2{step && mid_en}} & {mid[14], !mid[14]}), .q(mid_re)
    );
    delay_line #(.WIDTH(14), .DEPTH(MID_AT - READ + AHEAD - 1), .RESET(0)) u_mid (
        .clk(clk), .rst(rst), .d(mid[13:0]), .q(mid_next)
    );
    register_copy #(.WIDTH(14)) u_mid_at (.clk(clk), .d(mid_next), .q(mid_at));
    delay_line #(.WIDTH(2), .DEPTH(READ - 1), .RESET(0)) u_mid_sel (
        .clk(clk), .rst(rst), .d({|mid_re, mid_re[1]}), .q(mid_word)
    );
    register_copy #(.WIDTH(2)) u_mid_on (.clk(clk), .d(mid_word), .q({mid_on, mid_sel}));
    delay_line #(.WIDTH(2), .DEPTH(OUT_AT - READ + AHEAD), .RESET(1)) u_out_re (
        .clk(clk), .rst(rst), .d({2{step && out_en}} & {out[14], !out[14]}), .q(out_re)
    );
    delay_line #(.WIDTH(14), .DEPTH(OUT_AT - READ + AHEAD - 1), .RESET(0)) u_out (
        .clk(clk), .rst(rst), .d(out[13:0]), .q(out_next)
    );
    register_copy #(.WIDTH(14)) u_out_at (.clk(clk), .d(out_next), .q(out_at));
    delay_line #(.WIDTH(2), .DEPTH(READ - 1), .RESET(0)) u_out_sel (
        .clk(clk), .rst(rst), .d({|out_re, out_re[1]}), .q(out_word)
    );
    register_copy #(.WIDTH(2)) u_out_on (.clk(clk), .d(out_word), .q({out_on, out_sel}));

    wire        bit_next;
    wire [37:0] places_next;

    delay_line #(.WIDTH(3), .DEPTH(Y_AT + AHEAD - 1), .RESET(1)) u_next (
        .clk(clk), .rst(rst), .d({step && dst_en, step && bit_en, dst[14]}),
        .q({dst_next, bit_next, dst_next_mem})
    );
    delay_line #(.WIDTH(38), .DEPTH(Y_AT + AHEAD - 1), .RESET(0)) u_dst (
        .clk(clk), .rst(rst), .d({dst[13:0], dst_mask, bit_addr}), .q(places_next)
    );
    delay_line #(.WIDTH(3), .DEPTH(Y_AT + AHEAD), .RESET(1)) u_retired (
        .clk(clk), .rst(rst), .d(retire), .q(retired)
    );
    delay_line #(.WIDTH(1), .DEPTH(ACC_AT + AHEAD), .RESET(1)) u_stat (
        .clk(clk), .rst(rst), .d(stat), .q(acc_stat)
    );
    delay_line #(.WIDTH(1), .DEPTH(ACC_AT + AHEAD), .RESET(0)) u_phase (
        .clk(clk), .rst(rst), .d(stat_phase), .q(acc_phase)
    );

    reg         dst_we_q, bit_we_q, mem_q;
    wire [37:0] places;

    register_copy #(.WIDTH(38)) u_places (.clk(clk), .d(places_next), .q(places));

    always @(posedge clk) begin
        dst_we_q <= dst_next;
        bit_we_q <= bit_next;
        mem_q <= dst_next_mem;
        if (rst) begin
            dst_we_q <= 1'b0;
            bit_we_q <= 1'b0;
        end
    end

    assign dst_we = dst_we_q;
    assign bit_we = bit_we_q;
    assign dst_at = {mem_q, places[37:24]};
    assign dst_mask_at = places[23:16];
    assign bit_at = places[15:0];
endmodule
`default_nettype wire
