// mac_nest: the four nest levels of MACV, MACS, LNSTAT and LNAPPLY, one beat per cycle.
//
//   addr = base + i0 s0 + i1 s1 + i2 s2 + i3 s3 (modulo 2**20), pos = base + i2 s2 + i3 s3
//   cm = cm_base + i0 cm_s0 + i1 cm_s1 (modulo 256), wb = wb_base + running count of a result
//
// by adders only; i2 in the order of result_order. Two stages: counters, and one cycle later the
// addresses, which choose among sums that are ready. `load` (instruction stable in that cycle) in
// cycle t -> counters run in t + 1 .. t + n0 n1 n2 n3, beats are in t + 2 .., without gaps;
// `free` is high when the counters are idle or in their last cycle.
// stat (LNSTAT): first and last frame every level 1 iteration instead of the whole result.
// stencil: every level 1 iteration is a result.
// Names: *0, *1 (one0_q, last1_q, s0_q ..): level 0, 1; level1_*: at i0 = 0 of this level 1
// iteration; at_*_q: the address that the next step of a result takes (x, phase, row: levels 2 and
// 3 in the order of result_order); *_go: that step, one cycle after the counters, a copy for each
// use.
// Reset: control only. Cost: about 440 LUTs, 490 flip-flops.
`default_nettype none
module mac_nest (
    input  wire        clk,
    input  wire        rst,
    input  wire        load,
    input  wire [11:0] n0,
    input  wire [7:0]  n1,
    input  wire [11:0] n2,
    input  wire [11:0] n3,
    input  wire [2:0]  xd,
    input  wire [2:0]  last_phase,  // phase_count of n2, xd
    input  wire        one_x,
    input  wire        one_phase,
    input  wire        one_row,     // n3 = 1
    input  wire [19:0] base,
    input  wire [19:0] s0,
    input  wire [19:0] s1,
    input  wire [19:0] s2,
    input  wire [19:0] s3,
    input  wire [19:0] x2,          // xd s2
    input  wire [7:0]  cm_base,
    input  wire [7:0]  cm_s0,
    input  wire [7:0]  cm_s1,
    input  wire [15:0] wb_base,
    input  wire        stat,
    input  wire        stencil,
    output wire        free,
    output wire        valid,
    output wire [19:0] addr,
    output wire [19:0] pos,
    output wire [3:0]  tap,         // i0; of the second row of a stencil i0 + 3
    output wire [11:0] i2,
    output wire        phase,       // i1 modulo 2
    output wire        first,
    output wire        last,
    output wire        result,      // the last beat of a result
    output wire        stat_beat,   // the counters are at a beat of LNSTAT
    output wire [7:0]  cm,
    output wire [15:0] wb
);
    // ---- counters
    reg         busy_q;
    reg         ends_q;             // last beat of the instruction
    reg         free_q;             // not busy, or ends_q
    reg         stat_q;
    reg         stencil_q;
    reg  [11:0] n0_q;               // n0 - 1
    reg  [7:0]  n1_q;               // n1 - 1
    reg  [3:0]  i0_q;               // modulo 16
    reg         i1_q;               // modulo 2
    reg  [11:0] left0_q;            // beats after this one
    reg  [7:0]  left1_q;
    // flags of the current beat, computed one cycle ahead
    reg         one0_q;             // n0 = 1
    reg         one1_q;
    reg         first0_q;
    reg         first1_q;
    reg         last0_q;
    reg         last1_q;
    reg         step2_q;            // busy, last0 and last1: the result ends

    wire        one0 = n0 == 12'd1;
    wire        one1 = n1 == 8'd1;
    wire        last0_d = last0_q ? one0_q : left0_q == 12'd1;
    wire        last1_d = !last0_q ? last1_q : last1_q ? one1_q : left1_q == 8'd1;
    wire [11:0] order_i2;
    wire        step_x, step_phase, step_row, done, done_next;

    result_order u_order (
        .clk(clk), .load(load), .n2(n2), .n3(n3), .xd(xd), .last_phase(last_phase), .one_x(one_x),
        .one_phase(one_phase), .one_row(one_row), .step(step2_q),
        .i2(order_i2), .step_x(step_x), .step_phase(step_phase), .step_row(step_row), .done(done),
        .done_next(done_next)
    );

    wire        ends_d = load ? one0 && one1 && one_x && one_phase && one_row
        : busy_q && !ends_q && last0_d && last1_d && (step2_q ? done_next : done);

    assign free = free_q;

    always @(posedge clk) begin
        if (load) begin
            stat_q <= stat;
            stencil_q <= stencil;
            n0_q <= n0 - 12'd1;
            n1_q <= n1 - 8'd1;
            i0_q <= 4'd0;
            i1_q <= 1'b0;
            left0_q <= n0 - 12'd1;
            left1_q <= n1 - 8'd1;
            one0_q <= one0;
            one1_q <= one1;
            first0_q <= 1'b1;
            first1_q <= 1'b1;
            last0_q <= one0;
            last1_q <= one1;
        end else begin
            i0_q <= last0_q ? 4'd0 : i0_q + 4'd1;
            left0_q <= last0_q ? n0_q : left0_q - 12'd1;
            first0_q <= last0_q;
            last0_q <= last0_d;
            if (last0_q) begin
                i1_q <= !last1_q && !i1_q;
                left1_q <= last1_q ? n1_q : left1_q - 8'd1;
                first1_q <= last1_q;
                last1_q <= last1_d;
            end
        end
        busy_q <= load || (busy_q && !ends_q);
        step2_q <= load ? one0 && one1 : busy_q && !ends_q && last0_d && last1_d;
        ends_q <= ends_d;
        free_q <= ends_d || !(load || (busy_q && !ends_q));
        if (rst) begin
            busy_q <= 1'b0;
            step2_q <= 1'b0;
            ends_q <= 1'b0;
            free_q <= 1'b1;
        end
    end

    // ---- one cycle later: the beat's flags, and the step that leads to its addresses
    reg        valid_q;
    reg        first_q;
    reg        last_q;
    reg        result_q;
    reg        phase_q;
    reg [3:0]  tap_q;
    reg [11:0] i2_q;
    wire [3:0] go;                  // {result, step of a result, level 1}
    wire [3:0] addr_go, pos_go;
    wire [2:0] at_go;               // without level 1
    wire [1:0] cm_go;               // without the step

    assign go = {load || (last0_q && last1_q),
        load ? 2'd0 : step_x ? 2'd1 : step_phase ? 2'd2 : 2'd3, last0_q};

    register_copy #(.WIDTH(4)) u_addr_go (.clk(clk), .d(go), .q(addr_go));
    register_copy #(.WIDTH(4)) u_pos_go (.clk(clk), .d(go), .q(pos_go));
    register_copy #(.WIDTH(3)) u_at_go (.clk(clk), .d(go[3:1]), .q(at_go));
    register_copy #(.WIDTH(2)) u_cm_go (.clk(clk), .d({go[3], go[0]}), .q(cm_go));
    wire       unused = step_row;

    always @(posedge clk) begin
        valid_q <= busy_q;
        first_q <= first0_q && (stat_q || stencil_q || first1_q);
        last_q <= last0_q && (stat_q || stencil_q || last1_q);
        result_q <= last0_q && (stencil_q || last1_q);
        phase_q <= i1_q;
        tap_q <= i0_q + {2'b00, {2{stencil_q && i1_q}}};
        i2_q <= order_i2;
        if (rst) valid_q <= 1'b0;
    end

    // ---- addresses. The instruction's fields are held from the cycle of `load` on.
    reg  [19:0] base_q, s0_q, s1_q, s2_q, s3_q, x2_q;
    reg  [7:0]  cm_base_q, cm_s0_q, cm_s1_q;
    reg  [15:0] wb_base_q;

    always @(posedge clk) begin
        if (load) begin
            base_q <= base;
            s0_q <= s0;
            s1_q <= s1;
            s2_q <= s2;
            s3_q <= s3;
            x2_q <= x2;
            cm_base_q <= cm_base;
            cm_s0_q <= cm_s0;
            cm_s1_q <= cm_s1;
            wb_base_q <= wb_base;
        end
    end

    reg  [19:0] addr_q;
    reg  [19:0] level1_q;           // addr at i0 = 0 of this level 1 iteration
    reg  [19:0] pos_q;
    reg  [19:0] at_x_q, at_phase_q, at_row_q;
    reg  [7:0]  cm_q, cm_level1_q;
    reg  [15:0] wb_q;
    wire [19:0] addr_to = addr_go[2:1] == 2'd0 ? base_q : addr_go[2:1] == 2'd1 ? at_x_q
        : addr_go[2:1] == 2'd2 ? at_phase_q : at_row_q;
    wire [19:0] pos_to = pos_go[2:1] == 2'd0 ? base_q : pos_go[2:1] == 2'd1 ? at_x_q
        : pos_go[2:1] == 2'd2 ? at_phase_q : at_row_q;
    wire [19:0] at_to = at_go[1:0] == 2'd0 ? base_q : at_go[1:0] == 2'd1 ? at_x_q
        : at_go[1:0] == 2'd2 ? at_phase_q : at_row_q;
    wire [19:0] row_to = at_go[1:0] == 2'd0 ? base_q : at_go[1:0] == 2'd2 ? at_phase_q : at_row_q;
    wire [19:0] next0 = addr_q + s0_q;
    wire [19:0] next1 = level1_q + s1_q;
    wire [7:0]  cm_next1 = cm_level1_q + cm_s1_q;

    always @(posedge clk) begin
        addr_q <= addr_go[3] ? addr_to : addr_go[0] ? next1 : next0;
        if (pos_go[3] || pos_go[0]) level1_q <= pos_go[3] ? pos_to : next1;
        if (pos_go[3]) pos_q <= pos_to;
        if (at_go[2]) begin
            at_x_q <= at_to + x2_q;
            if (at_go[1:0] != 2'd1) at_phase_q <= row_to + s2_q;
            if (at_go[1:0] == 2'd0 || at_go[1:0] == 2'd3) at_row_q <= row_to + s3_q;
        end
        cm_q <= cm_go[1] ? cm_base_q : cm_go[0] ? cm_next1 : cm_q + cm_s0_q;
        if (cm_go[0]) cm_level1_q <= cm_next1;
        if (cm_go[1]) cm_level1_q <= cm_base_q;
        wb_q <= cm_go[1] ? wb_base_q : wb_q + 16'd1;
    end

    assign valid = valid_q;
    assign addr = addr_q;
    assign pos = pos_q;
    assign tap = tap_q;
    assign i2 = i2_q;
    assign phase = phase_q;
    assign first = first_q;
    assign last = last_q;
    assign result = result_q;
    assign stat_beat = busy_q && stat_q;
    assign cm = cm_q;
    assign wb = wb_q;
endmodule
`default_nettype wire
