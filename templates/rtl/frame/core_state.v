// core_state: reset of the units, start of a run, error code.
//
// `start` resets the units for a cycle and lets the sequencer run (`run`) two cycles later. A
// soft reset holds them in reset and `flush`es the AXI masters until both are idle, so that
// outstanding transfers come to their end. `rst` resets all.
// The first error of a run is kept and halts dispatch and DMA until the next reset of the units;
// error_code: 1 read response, 2 write response, 3 CRC, 4 opcode, 5 no END. `conflict` keeps a
// port_conflict in the same way.
// Reset: control only. Cost: 9 flip-flops.
`default_nettype none
module core_state (
    input  wire       clk,
    input  wire       rst,
    input  wire       start,
    input  wire       soft_reset,
    input  wire       read_idle,
    input  wire       write_idle,
    input  wire       read_error,
    input  wire       write_error,
    input  wire       error_crc,
    input  wire       error_opcode,
    input  wire       error_end,
    input  wire       port_conflict,
    output wire       flush,
    output wire       unit_rst,
    output wire       run,
    output reg        halt,
    output wire [3:0] error_code,
    output wire       conflict
);
    reg flush_q;
    reg unit_rst_q;
    reg run_q;
    reg run_late_q;
    reg conflict_q;
    reg [3:0] error_q;

    assign flush = flush_q;
    assign unit_rst = unit_rst_q;
    assign run = run_late_q;
    assign error_code = error_q;
    assign conflict = conflict_q;

    always @(posedge clk) begin
        if (soft_reset) flush_q <= 1'b1;
        else if (read_idle && write_idle && unit_rst_q) flush_q <= 1'b0;
        unit_rst_q <= rst || start || soft_reset || flush_q;
        run_q <= start;  // one cycle of reset, then run
        run_late_q <= run_q;

        if (!halt) begin
            halt <= read_error || write_error || error_crc || error_opcode || error_end;
            if (read_error) error_q <= 4'd1;
            else if (write_error) error_q <= 4'd2;
            else if (error_crc) error_q <= 4'd3;
            else if (error_opcode) error_q <= 4'd4;
            else if (error_end) error_q <= 4'd5;
        end
        if (port_conflict) conflict_q <= 1'b1;
        if (unit_rst_q) begin
            error_q <= 4'd0;
            halt <= 1'b0;
            conflict_q <= 1'b0;
        end
        if (rst) begin
            flush_q <= 1'b0;
            run_q <= 1'b0;
            run_late_q <= 1'b0;
        end
    end
endmodule
`default_nettype wire
