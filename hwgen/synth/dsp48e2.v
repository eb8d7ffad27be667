// Techmap: DSP48E1 of 7-series, as Yosys packs it, becomes DSP48E2 of UltraScale (UG479, UG579).
//
// Same names, widths and meaning in both, passed on: the registers (AREG .. PREG) with their enables
// and resets (RSTD clears D and AD in both), cascades, C, P, ALUMODE, USE_MULT, USE_SIMD, pattern
// detector. What differs:
//
//   A, D        the multiplier and the pre-adder take 27 bits, not 25: sign-extended. As A:B (no
//               multiplier) all 30 bits of A are passed on
//   pre-adder   27 bits, not 25: equal unless the sum leaves 25 bits. Both operands need a bit to
//               spare, A[24] = A[23] and D[24] = D[23] on the same net
//   USE_DPORT   AMULTSEL: AD (pre-adder before the multiplier) or A. PREADDINSEL = A, BMULTSEL = B:
//               DSP48E1 has no pre-adder before B and no square
//   INMODE      00000 A2 and B2; 00100 D + A2; 01100 D - A2: as in DSP48E1 with AMULTSEL so
//   OPMODE      two bits more on top, the multiplexer W: 00 is 0, so RND counts for nothing. X, Y
//               and Z, OPMODE[6:0], are those of DSP48E1
//   wide XOR    not in DSP48E1: off
//
// Any other use stays a DSP48E1, which the flow refuses: another INMODE, CARRYINSEL or USE_MULT =
// DYNAMIC (neither comes from Yosys), automatic reset (DSP48E2 has a priority for it), a pre-adder
// on a cascade or without a bit to spare.

(* techmap_celltype = "DSP48E1" *)
module hwgen_dsp48e2 (
    (* techmap_autopurge *) output [29:0] ACOUT,
    (* techmap_autopurge *) output [17:0] BCOUT,
    (* techmap_autopurge *) output        CARRYCASCOUT,
    (* techmap_autopurge *) output  [3:0] CARRYOUT,
    (* techmap_autopurge *) output        MULTSIGNOUT,
    (* techmap_autopurge *) output        OVERFLOW,
    (* techmap_autopurge *) output [47:0] P,
    (* techmap_autopurge *) output        PATTERNBDETECT,
    (* techmap_autopurge *) output        PATTERNDETECT,
    (* techmap_autopurge *) output [47:0] PCOUT,
    (* techmap_autopurge *) output        UNDERFLOW,
    (* techmap_autopurge *) input  [29:0] A,
    (* techmap_autopurge *) input  [29:0] ACIN,
    (* techmap_autopurge *) input   [3:0] ALUMODE,
    (* techmap_autopurge *) input  [17:0] B,
    (* techmap_autopurge *) input  [17:0] BCIN,
    (* techmap_autopurge *) input  [47:0] C,
    (* techmap_autopurge *) input         CARRYCASCIN,
    (* techmap_autopurge *) input         CARRYIN,
    (* techmap_autopurge *) input   [2:0] CARRYINSEL,
    (* techmap_autopurge *) input         CEA1,
    (* techmap_autopurge *) input         CEA2,
    (* techmap_autopurge *) input         CEAD,
    (* techmap_autopurge *) input         CEALUMODE,
    (* techmap_autopurge *) input         CEB1,
    (* techmap_autopurge *) input         CEB2,
    (* techmap_autopurge *) input         CEC,
    (* techmap_autopurge *) input         CECARRYIN,
    (* techmap_autopurge *) input         CECTRL,
    (* techmap_autopurge *) input         CED,
    (* techmap_autopurge *) input         CEINMODE,
    (* techmap_autopurge *) input         CEM,
    (* techmap_autopurge *) input         CEP,
    (* techmap_autopurge *) input         CLK,
    (* techmap_autopurge *) input  [24:0] D,
    (* techmap_autopurge *) input   [4:0] INMODE,
    (* techmap_autopurge *) input         MULTSIGNIN,
    (* techmap_autopurge *) input   [6:0] OPMODE,
    (* techmap_autopurge *) input  [47:0] PCIN,
    (* techmap_autopurge *) input         RSTA,
    (* techmap_autopurge *) input         RSTALLCARRYIN,
    (* techmap_autopurge *) input         RSTALUMODE,
    (* techmap_autopurge *) input         RSTB,
    (* techmap_autopurge *) input         RSTC,
    (* techmap_autopurge *) input         RSTCTRL,
    (* techmap_autopurge *) input         RSTD,
    (* techmap_autopurge *) input         RSTINMODE,
    (* techmap_autopurge *) input         RSTM,
    (* techmap_autopurge *) input         RSTP
);
    parameter integer ACASCREG = 1;
    parameter integer ADREG = 1;
    parameter integer ALUMODEREG = 1;
    parameter integer AREG = 1;
    parameter AUTORESET_PATDET = "NO_RESET";
    parameter A_INPUT = "DIRECT";
    parameter integer BCASCREG = 1;
    parameter integer BREG = 1;
    parameter B_INPUT = "DIRECT";
    parameter integer CARRYINREG = 1;
    parameter integer CARRYINSELREG = 1;
    parameter integer CREG = 1;
    parameter integer DREG = 1;
    parameter integer INMODEREG = 1;
    parameter integer MREG = 1;
    parameter integer OPMODEREG = 1;
    parameter integer PREG = 1;
    parameter SEL_MASK = "MASK";
    parameter SEL_PATTERN = "PATTERN";
    parameter USE_DPORT = "FALSE";
    parameter USE_MULT = "MULTIPLY";
    parameter USE_PATTERN_DETECT = "NO_PATDET";
    parameter USE_SIMD = "ONE48";
    parameter [47:0] MASK = 48'h3FFFFFFFFFFF;
    parameter [47:0] PATTERN = 48'h000000000000;
    parameter [3:0] IS_ALUMODE_INVERTED = 4'b0;
    parameter [0:0] IS_CARRYIN_INVERTED = 1'b0;
    parameter [0:0] IS_CLK_INVERTED = 1'b0;
    parameter [4:0] IS_INMODE_INVERTED = 5'b0;
    parameter [6:0] IS_OPMODE_INVERTED = 7'b0;

    // Of the connections: constant bits and their values, and a number for every net.
    parameter [4:0] _TECHMAP_CONSTMSK_INMODE_ = 5'b0;
    parameter [4:0] _TECHMAP_CONSTVAL_INMODE_ = 5'b0;
    parameter [2:0] _TECHMAP_CONSTMSK_CARRYINSEL_ = 3'b0;
    parameter [2:0] _TECHMAP_CONSTVAL_CARRYINSEL_ = 3'b0;
    parameter _TECHMAP_BITS_CONNMAP_ = 1;
    parameter [30*_TECHMAP_BITS_CONNMAP_-1:0] _TECHMAP_CONNMAP_A_ = 0;
    parameter [25*_TECHMAP_BITS_CONNMAP_-1:0] _TECHMAP_CONNMAP_D_ = 0;

    localparam W = _TECHMAP_BITS_CONNMAP_;
    localparam ADDS = USE_DPORT == "TRUE";
    localparam SPARE = _TECHMAP_CONNMAP_A_[24*W +: W] === _TECHMAP_CONNMAP_A_[23*W +: W]
                    && _TECHMAP_CONNMAP_D_[24*W +: W] === _TECHMAP_CONNMAP_D_[23*W +: W]
                    && A_INPUT == "DIRECT";
    localparam [4:0] MODE = _TECHMAP_CONSTVAL_INMODE_ ^ IS_INMODE_INVERTED;
    localparam CONSTANT = &_TECHMAP_CONSTMSK_INMODE_ && &_TECHMAP_CONSTMSK_CARRYINSEL_
                       && _TECHMAP_CONSTVAL_CARRYINSEL_ === 3'b000;
    localparam KNOWN = ADDS ? (MODE === 5'b00100 || MODE === 5'b01100) && SPARE
                            : MODE === 5'b00000;

    wire _TECHMAP_FAIL_ = !(CONSTANT && KNOWN && USE_MULT != "DYNAMIC"
                            && AUTORESET_PATDET == "NO_RESET");

    DSP48E2 #(
        .ACASCREG(ACASCREG), .ADREG(ADREG), .ALUMODEREG(ALUMODEREG), .AREG(AREG),
        .AMULTSEL(ADDS ? "AD" : "A"), .BMULTSEL("B"), .PREADDINSEL("A"),
        .AUTORESET_PATDET(AUTORESET_PATDET), .AUTORESET_PRIORITY("RESET"),
        .A_INPUT(A_INPUT), .B_INPUT(B_INPUT), .BCASCREG(BCASCREG), .BREG(BREG),
        .CARRYINREG(CARRYINREG), .CARRYINSELREG(CARRYINSELREG), .CREG(CREG), .DREG(DREG),
        .INMODEREG(INMODEREG), .MREG(MREG), .OPMODEREG(OPMODEREG), .PREG(PREG),
        .SEL_MASK(SEL_MASK), .SEL_PATTERN(SEL_PATTERN), .USE_MULT(USE_MULT),
        .USE_PATTERN_DETECT(USE_PATTERN_DETECT), .USE_SIMD(USE_SIMD),
        .USE_WIDEXOR("FALSE"), .XORSIMD("XOR24_48_96"), .RND(48'h0),
        .MASK(MASK), .PATTERN(PATTERN),
        .IS_ALUMODE_INVERTED(IS_ALUMODE_INVERTED), .IS_CARRYIN_INVERTED(IS_CARRYIN_INVERTED),
        .IS_CLK_INVERTED(IS_CLK_INVERTED), .IS_INMODE_INVERTED(IS_INMODE_INVERTED),
        .IS_OPMODE_INVERTED({2'b00, IS_OPMODE_INVERTED})
    ) _TECHMAP_REPLACE_ (
        .A(USE_MULT == "NONE" ? A : {{5{A[24]}}, A[24:0]}), .B(B), .C(C), .D({{2{D[24]}}, D}),
        .ACIN(ACIN), .BCIN(BCIN), .PCIN(PCIN), .CARRYCASCIN(CARRYCASCIN), .MULTSIGNIN(MULTSIGNIN),
        .ACOUT(ACOUT), .BCOUT(BCOUT), .PCOUT(PCOUT), .CARRYCASCOUT(CARRYCASCOUT),
        .MULTSIGNOUT(MULTSIGNOUT), .P(P), .CARRYOUT(CARRYOUT), .OVERFLOW(OVERFLOW),
        .UNDERFLOW(UNDERFLOW), .PATTERNDETECT(PATTERNDETECT), .PATTERNBDETECT(PATTERNBDETECT),
        .ALUMODE(ALUMODE), .CARRYIN(CARRYIN), .CARRYINSEL(CARRYINSEL), .INMODE(INMODE),
        .OPMODE({2'b00, OPMODE}), .CLK(CLK),
        .CEA1(CEA1), .CEA2(CEA2), .CEAD(CEAD), .CEALUMODE(CEALUMODE), .CEB1(CEB1), .CEB2(CEB2),
        .CEC(CEC), .CECARRYIN(CECARRYIN), .CECTRL(CECTRL), .CED(CED), .CEINMODE(CEINMODE),
        .CEM(CEM), .CEP(CEP),
        .RSTA(RSTA), .RSTALLCARRYIN(RSTALLCARRYIN), .RSTALUMODE(RSTALUMODE), .RSTB(RSTB),
        .RSTC(RSTC), .RSTCTRL(RSTCTRL), .RSTD(RSTD), .RSTINMODE(RSTINMODE), .RSTM(RSTM),
        .RSTP(RSTP)
    );
endmodule
